"""Build the compiled core: every ``_ext/*.pyx`` by Cython, ``_ext/native.cpp`` by pybind11, and
``_ext/duckdb_functions.cpp`` and ``_ext/polars_plugin.cpp``, shared libraries without Python.

CXCORE_DEBUG=1                    bounds checks and asserts in every kernel
CXCORE_SANITIZE=address|undefined a build with that sanitizer
"""

import os
import sys
import tomllib
from pathlib import Path

from Cython.Build import cythonize
from pybind11.setup_helpers import Pybind11Extension
from setuptools import Extension, setup

EXT = Path("src/cxcore/_ext")
EXPORTS = EXT / "exports.map"
VERSION = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
DEBUG = os.environ.get("CXCORE_DEBUG", "0") == "1"
SANITIZE = os.environ.get("CXCORE_SANITIZE", "")

# No -march here: a wheel must run on the next machine. Kernels that gain from wide
# registers are multiversioned in their headers.
compile_args = ["-std=c++17", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-function"]
compile_args += ["-O1", "-g", "-UNDEBUG", "-D_GLIBCXX_ASSERTIONS"] if DEBUG else ["-O3", "-DNDEBUG", "-g0"]
link_args = ["-pthread"]
# templates of the standard library are seen in spite of -fvisibility=hidden; other linkers have other words
only_exports = [f"-Wl,--version-script={EXPORTS}"] if sys.platform == "linux" else []
macros = [
    ("CXCORE_DEBUG", str(int(DEBUG))),
    ("CXCORE_SANITIZE", f'"{SANITIZE}"'),
    ("CXCORE_VERSION", f'"{VERSION}"'),
]
if SANITIZE:
    compile_args += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
    link_args += [f"-fsanitize={SANITIZE}"]

headers = sorted(str(path) for path in (EXT / "include/cxcore").glob("*.hpp"))
shared = {
    "include_dirs": [str(EXT / "include")],
    "extra_compile_args": compile_args,
    "extra_link_args": link_args,
    "define_macros": macros,
    "depends": headers,
    "language": "c++",
}
kernels = [Extension(f"cxcore._ext.{path.stem}", [str(path)], **shared) for path in sorted(EXT.glob("*.pyx"))]

setup(
    options={"build_ext": {"parallel": os.cpu_count() or 1}},  # modules do not wait for each other
    ext_modules=[
        *cythonize(
            kernels,
            compiler_directives={
                "language_level": 3,
                "freethreading_compatible": False,
                "embedsignature": True,
                "boundscheck": DEBUG,
                "wraparound": False,
                "initializedcheck": DEBUG,
                "cdivision": True,
                "emit_code_comments": DEBUG,
            },
            build_dir="build/cython-debug" if DEBUG else "build/cython",
            force=DEBUG or bool(SANITIZE),
        ),
        Pybind11Extension("cxcore._ext.native", [str(EXT / "native.cpp")], **shared),
        *(
            Extension(
                f"cxcore._ext.{name}",
                [str(EXT / f"{name}.cpp")],
                **{
                    **shared,
                    "depends": [
                        *headers,
                        str(EXPORTS),
                        *map(str, (EXT / f"include/cxcore/{engine}").glob("*.hpp")),
                    ],
                    "extra_link_args": [*link_args, *only_exports],
                },
            )
            for engine, name in (("duckdb", "duckdb_functions"), ("polars", "polars_plugin"))
        ),
    ],
)
