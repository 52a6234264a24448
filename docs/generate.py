"""Writes docs/reference/ from ``cxcore.__all__`` and the registries, so that nothing there is listed by hand.

A page is Markdown: a table where words are listed, then each name's docstring through autodoc.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any


def rule(thing: Any) -> str:
    """The first paragraph of a docstring on one line: its rule in words."""
    first = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def autodoc(kind: str, *names: str, members: bool = False) -> str:
    options = "\n   :members:\n" if members else "\n"
    body = "\n".join(f".. auto{kind}:: {name}{options}" for name in names)
    return f"```{{eval-rst}}\n{body}\n```\n"


def api(module: ModuleType) -> str:
    """Everything in a module's ``__all__``: functions, then classes. Errors have a page of their own."""
    functions, classes = [], []
    for name in module.__all__:
        thing, path = getattr(module, name), f"{module.__name__}.{name}"
        if inspect.isclass(thing):
            if not issubclass(thing, (Exception, Warning)):
                classes.append(autodoc("class", path, members=True))
        elif callable(thing):
            functions.append(autodoc("function", path))
    return "\n".join(functions + classes)


def class_of(member: Any) -> type:
    return member if inspect.isclass(member) else type(member)


def registry(module: ModuleType, members: dict[str, Any], head: str) -> str:
    """A table of words and rules, then the objects behind the words."""
    words: dict[type, list[str]] = {}
    for word, member in members.items():
        words.setdefault(class_of(member), []).append(f'`"{word}"`')
    rows = [[", ".join(words[cls]), f"`{cls.__name__}`", rule(cls)] for cls in words]
    home = module.__name__
    paths = [f"{home if hasattr(module, cls.__name__) else cls.__module__}.{cls.__name__}" for cls in words]
    return table([head, "object", "rule"], rows) + "\n" + autodoc("class", *paths)


def engines() -> str:
    rows = []
    for engine in importlib.import_module("cxcore.engines").ENGINES:
        kind = type(engine)
        needs = f"`cxcore[{engine.extra}]`" if engine.extra else "nothing more"
        about = kind if kind.__doc__ else importlib.import_module(kind.__module__)
        rows.append([engine.name, needs, rule(about)])
    return table(["frame", "needs", "about"], rows)


def flags(words: dict[str, str]) -> str:
    rows = [[f"`{word}`", meaning] for word, meaning in words.items()]
    return "\nWords of the column `flags`:\n\n" + table(["word", "says"], rows)


def errors() -> str:
    module = importlib.import_module("cxcore.errors")
    rows = []
    for name in module.__all__:
        kind = getattr(module, name)
        rows.append([f"`{name}`", ", ".join(f"`{base.__name__}`" for base in kind.__bases__), rule(kind)])
    return table(["name", "is also a", "when"], rows)


def pages() -> dict[str, tuple[str, str, str]]:
    """``{file: (title, what the page says, its body)}``, in the order of the contents."""
    load = importlib.import_module
    cx, attribution, intervals = load("cxcore"), load("cxcore.attribution"), load("cxcore.intervals")
    return {
        "api": ("Verbs", "Everything that `import cxcore as cx` gives.", api(cx)),
        "models": (
            "Attribution models",
            "Pass a word, an object that carries its own options, or a list of them as `model=`.",
            registry(attribution, dict(attribution.MODELS), "`model=`")
            + autodoc(
                "function", *(f"cxcore.attribution.{name}" for name in ("transitions", "choose_order"))
            ),
        ),
        "transforms": (
            "Transforms of paths",
            "Pass a word, an object that carries its own options, or a list of them as `transform=`.",
            registry(attribution, dict(attribution.TRANSFORMS), "`transform=`"),
        ),
        "attribution-errors": (
            "Errors of attribution",
            "Pass a word, or an object with options of its own, as `method=` beside a `confidence_level=`.",
            registry(attribution, dict(attribution.METHODS), "`method=`"),
        ),
        "intervals": (
            "Interval methods",
            "Pass a word as `method=` to any score.",
            registry(intervals, dict(intervals.METHODS), "`method=`")
            + "An object without a word, since it needs a statistic:\n\n"
            + autodoc("class", "cxcore.intervals.MonteCarlo")
            + flags(intervals.FLAGS),
        ),
        "designs": (
            "Intervals under a survey design",
            "Pass a word as `method=` to any score that has a `cluster=`, `weight=` or `stratum=`.",
            registry(load("cxcore.designs"), dict(load("cxcore.designs").METHODS), "`method=`"),
        ),
        "differences": (
            "Comparisons",
            "Pass a word as `method=` to `compare`; a metric with options of its own as `metric=`.",
            registry(load("cxcore.differences"), dict(load("cxcore.differences").DIFFERENCES), "`method=`")
            + registry(load("cxcore.metrics"), dict(load("cxcore.metrics").METRICS), "`metric=`"),
        ),
        "customers": (
            "Outcomes of a customer",
            "Pass a word, or an object that carries its own options, as `outcome=` to `per_customer`.",
            registry(load("cxcore.customers"), dict(load("cxcore.customers").OUTCOMES), "`outcome=`"),
        ),
        "engines": ("Engines", "The frames that every verb takes, asked in this order.", engines()),
        "duckdb": ("DuckDB", rule(load("cxcore.duckdb")), api(load("cxcore.duckdb"))),
        "spark": ("Spark SQL", rule(load("cxcore.spark")), api(load("cxcore.spark"))),
        "polars": (
            "Polars namespaces",
            "The verbs on frames, the scores on expressions.",
            autodoc("module", "cxcore.polars", members=True),
        ),
        "datasets": ("Data sets", rule(load("cxcore.datasets")), api(load("cxcore.datasets"))),
        "errors": (
            "Errors and warnings",
            "`except cx.errors.CxError` catches every error raised on purpose.",
            errors(),
        ),
    }


def write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.md"):
        old.unlink()
    contents = pages()
    for name, (title, about, body) in contents.items():
        (folder / f"{name}.md").write_text(f"# {title}\n\n{about}\n\n{body}", encoding="utf-8")
    about = "Generated from the code: docstrings and registries."
    listing = "\n".join(contents)
    text = f"# Reference\n\n{about}\n\n```{{toctree}}\n{listing}\n```\n"
    (folder / "index.md").write_text(text, encoding="utf-8")
