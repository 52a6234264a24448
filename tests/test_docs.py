"""Every Python block of README and docs, and every docstring example, runs and shows what it says.

A Python block with ``>>>`` is a doctest; one without is run as it stands. The blocks of a page share their
names, from top to bottom, as a reader would type them. A block marked ``py`` is a sketch, and is not run.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import cxcore
from cxcore.sessions import PRESETS

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cxcore.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    ".".join(("cxcore", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def tables_as_printed() -> Iterator[None]:
    """Tables as the pages show them: wide, whole, whatever terminal the tests run in."""
    with pl.Config(tbl_width_chars=110, tbl_rows=40, tbl_cols=20, fmt_str_lengths=40):
        yield


def run(test: doctest.DocTest) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF, verbose=False)
    if runner.run(test, out=report.append, clear_globs=False).failed:
        pytest.fail("".join(report), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": page.stem}
    for block in BLOCK.finditer(text):
        code, line = block.group(1), text.count("\n", 0, block.start(1))
        assert "+SKIP" not in code, f"{page}:{line}: a skipped example is an untested one"
        if ">>>" in code:
            test = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line)
            run(test)
            names = test.globs
        else:
            exec(compile("\n" * line + code, str(page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize("folder", ["how-to", "explanation", "adr", "contributing"])
def test_an_index_links_to_every_page_beside_it(folder: str) -> None:
    pages = {page.name for page in (ROOT / "docs" / folder).glob("*.md")} - {"index.md", "template.md"}
    text = (ROOT / "docs" / folder / "index.md").read_text(encoding="utf-8")
    assert pages <= set(re.findall(r"\]\(([^)]+\.md)\)", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+\.md)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_table_of_presets_is_the_presets() -> None:
    text = (ROOT / "docs" / "explanation" / "session-rules.md").read_text(encoding="utf-8")
    rows = re.findall(r'^\| `"(\w+)"` \| `([^`]+)` \|', text, re.MULTILINE)
    said = {
        word: ", ".join(f"{name}={value!r}" for name, value in rules.given.items())
        for word, rules in PRESETS.items()
    }
    assert dict(rows) == said


def test_the_reference_has_every_name() -> None:
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    bodies = {name: body for name, (_, _, body) in generate["pages"]().items()}
    for name in cxcore.__all__:
        if inspect.ismodule(getattr(cxcore, name)):
            continue
        assert f":: cxcore.{name}\n" in bodies["api"] or f"| `{name}` |" in bodies["errors"], name


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        assert "+SKIP" not in (test.docstring or ""), f"{test.name}: a skipped example is an untested one"
        run(test)


def test_a_wrong_answer_fails() -> None:
    parser = doctest.DocTestParser()
    with pytest.raises(pytest.fail.Exception, match="Failed example"):
        run(parser.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", "wrong.md", 0))
