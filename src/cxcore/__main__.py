"""``python -m cxcore <command>``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cxcore import errors


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; an error of cxcore ends it with its own text."""
    parser = argparse.ArgumentParser(prog="python -m cxcore", description="Customer-experience analytics.")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    demo = commands.add_parser("demo", help="visits, attribution and scores of real data, in under a minute")
    demo.set_defaults(run=lambda chosen: _demo())
    extension = commands.add_parser(
        "duckdb-extension", help="write cxcore.duckdb_extension, which DuckDB loads in any language"
    )
    extension.add_argument("folder", nargs="?", default=".", help="where to; this folder if left out")
    extension.set_defaults(run=lambda chosen: _duckdb_extension(chosen.folder))
    chosen = parser.parse_args(arguments)
    try:
        chosen.run(chosen)
    except errors.CxError as error:
        parser.exit(1, f"{error}\n")


def _demo() -> None:
    from cxcore.demo import demo

    demo()


def _duckdb_extension(folder: str) -> None:
    from cxcore._sql.native import write_extension

    print(write_extension(folder))


if __name__ == "__main__":
    main()
