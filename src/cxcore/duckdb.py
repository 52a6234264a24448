"""cxcore in SQL: ``register(con)`` gives a connection ``cx.nps(score)``, ``FROM cx.sessionize(…)`` and more.

Everything lives in a database in memory that is attached beside the user's own: nothing is left in a file,
and read-only databases and locked configurations work. Scores are macros over native aggregates, intervals
one Python call a group; sessions and heuristics are SQL whose text Python writes while DuckDB binds the
query, so names with quotes are safe and a wrong option is an error before a row is read. Decisions:
docs/adr/0010.

Importing this module also registers native functions (``cx_nps(score)`` and more) with DuckDB, for databases
that are opened afterwards: the one import of cxcore that does work. ``native()`` tells. Decision:
docs/adr/0032.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable
from typing import Any

from cxcore import errors
from cxcore._sql import FUNCTIONS, UDFS, Udf
from cxcore._sql.base import identifier, literal
from cxcore._sql.native import register_native

__all__ = ["native", "register"]

_CALL = "duckdb.register"
#: a macro that says that an attached database is ours
_MARK = "cxcore_schema"
_lock = threading.Lock()


def register(con: Any, schema: str = "cx") -> None:
    """Make the SQL functions of cxcore callable on a DuckDB connection, as ``<schema>.<name>``.

    Every cursor of the database sees them, until it is closed. Calling it again changes nothing. Nothing is
    written to the user's database, and a rollback of the caller's open transaction drops nothing.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        An open connection; read-only databases, locked configurations and open transactions will do.
    schema : str, default "cx"
        Name under which the functions stand. Take another where the database has a schema of that name.

    Raises
    ------
    MissingDependencyError
        DuckDB is not installed, or older than 2.0.
    InvalidOptionError
        ``con`` is no open connection, or the name is taken by something else.

    Notes
    -----
    Takes about 0.1 s. The functions are listed in docs/how-to/duckdb.md. In a transaction that
    began before they work at once, through temporary macros of this connection, unless a result of ``con``
    is not fetched to its end: then they work from the next transaction on.

    Examples
    --------
    >>> import duckdb
    >>> import cxcore.duckdb
    >>> con = duckdb.connect()
    >>> cxcore.duckdb.register(con)
    >>> con.sql("SELECT cx.nps(score) AS nps FROM (VALUES (10), (9), (7), (2)) AS answers(score)").fetchall()
    [(25.0,)]
    """
    duckdb = _import_duckdb()
    cursor = _cursor(duckdb, con)
    if not isinstance(schema, str) or not schema:
        raise errors.bad_option(_CALL, "schema", schema, "not a name.", "such as 'cx'.")
    with _lock:
        try:
            _create_functions(cursor, UDFS, "")
            _attach(cursor, schema)
            for macro in FUNCTIONS:
                name = f"{identifier(schema)}.{identifier(macro.name)}"
                cursor.execute(f"CREATE OR REPLACE MACRO {name}({macro.parameters}) AS {macro.body}")
        finally:
            cursor.close()
        _show_to_open_transaction(duckdb, con)


def native() -> bool:
    """Whether databases opened after ``import cxcore.duckdb`` have the native functions, ``cx_nps`` and more.

    Returns
    -------
    bool
        False where DuckDB is not installed, its version is not one that was tested (2.x), or the environment
        variable ``CXCORE_DUCKDB_NATIVE`` was 0 at the import. The macros of ``register`` do not depend on it.

    Notes
    -----
    A database that was open before keeps what it had; close it and open it again. Costs nothing.

    Examples
    --------
    >>> import cxcore.duckdb
    >>> import duckdb
    >>> cxcore.duckdb.native()
    True
    >>> answers = "(VALUES ('a', 10), ('a', 9), ('b', 2)) AS answers(shop, score)"
    >>> duckdb.connect().sql(f"SELECT cx_nps(score) FILTER (WHERE shop = 'a') FROM {answers}").fetchall()
    [(100.0,)]
    """
    return _IS_NATIVE


def _register_native() -> bool:
    try:
        engine = importlib.import_module("_duckdb")
    except ImportError:
        return False
    return register_native(engine)


_IS_NATIVE = _register_native()


def _import_duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise errors.missing_dependency(_CALL, "duckdb", "duckdb") from error
    if int(duckdb.__version__.partition(".")[0]) < 2:
        raise errors.old_dependency(_CALL, f"DuckDB {duckdb.__version__}", "2.0", "duckdb")
    return duckdb


def _cursor(duckdb: Any, con: Any) -> Any:
    """A connection of our own to the same database, with no transaction and no result to disturb."""
    if not isinstance(con, duckdb.DuckDBPyConnection):
        problem, hint = "not a DuckDB connection.", "pass what duckdb.connect() gave."
        raise errors.bad_option(_CALL, "con", con, problem, hint)
    try:
        return con.cursor()
    except duckdb.ConnectionException as error:
        raise errors.bad_option(
            _CALL, "con", con, "the connection is closed.", "open it with duckdb.connect()."
        ) from error


def _known(cursor: Any, udfs: Iterable[Udf], suffix: str) -> set[str]:
    names = ", ".join(literal(udf.name + suffix) for udf in udfs)
    query = f"SELECT function_name FROM duckdb_functions() WHERE function_name IN ({names})"
    return {name for (name,) in cursor.sql(query).fetchall()}


def _create_functions(cursor: Any, udfs: Iterable[Udf], suffix: str) -> None:
    """The Python functions; they belong to the database, not to a schema, so several schemas share them."""
    known = _known(cursor, udfs, suffix)
    for udf in udfs:
        if udf.name + suffix not in known:
            cursor.create_function(
                udf.name + suffix, udf.function, list(udf.takes), udf.gives, null_handling="special"
            )


def _attach(cursor: Any, schema: str) -> None:
    """The database in memory that holds the macros; refuses a name that something of the user's has."""
    same = f"lower({literal(schema)})"
    marks, databases, schemas = cursor.sql(f"""
        SELECT (SELECT count(*) FROM duckdb_functions()
                WHERE lower(database_name) = {same} AND function_name = '{_MARK}'),
               (SELECT count(*) FROM duckdb_databases() WHERE lower(database_name) = {same}),
               (SELECT count(*) FROM duckdb_schemas()
                WHERE lower(schema_name) = {same} AND lower(database_name) <> {same})
    """).fetchall()[0]
    if schemas or (databases and not marks):
        raise errors.schema_taken(_CALL, schema, "a schema" if schemas else "a database")
    if not databases:
        cursor.execute(f"ATTACH ':memory:' AS {identifier(schema)} (READ_WRITE)")
        cursor.execute(f"CREATE MACRO {identifier(schema)}.{_MARK}() AS true")


def _show_to_open_transaction(duckdb: Any, con: Any) -> None:
    """Let the caller's open transaction see the Python functions, if its snapshot is older than they are.

    It may have looked into the system catalog before, and then sees only what was there. So it gets
    functions of its own, and temporary macros that lead the names to them; its end leaves the others, which
    are the same.
    """
    try:
        if len(_known(con, UDFS, "")) == len(UDFS):
            return
        _create_functions(con, UDFS, "_now")
        for udf in UDFS:
            arguments = ", ".join(f"a{i}" for i in range(len(udf.takes)))
            con.execute(
                f"CREATE OR REPLACE TEMP MACRO {udf.name}({arguments}) AS {udf.name}_now({arguments})"
            )
    except duckdb.Error:  # an aborted transaction, or a result half fetched: the next transaction sees them
        return
