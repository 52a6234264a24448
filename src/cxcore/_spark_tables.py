"""``FROM cx_sessionize(TABLE(events), …)`` in Spark SQL: the verbs of rows as table functions.

Spark calls ``analyze`` while it binds the query, then hands each worker the batches of its buckets of users,
in order, which the verb's own walk goes over.

PySpark refuses ``analyze`` beside functions that take Arrow (``arrow_udtf``, SPARK-53286), in Python alone:
the engine behind it answers both. So these are made as functions that take rows, which may have it, and then
say that they take batches. Rows would cost a Python object for each value: docs/adr/0033 has the numbers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from typing import Any

from cxcore import errors
from cxcore._parts import PIECE
from cxcore._spark_words import AS_COLUMNS, spark_words, sql_name
from cxcore.engines.spark_sql import InTurns, TableArgument, TableWalk, zone_of
from cxcore.sessions import sessionize, sessions

#: SQL function -> the verb that answers
VERBS: dict[str, Callable[..., Any]] = {"cx_sessionize": sessionize, "cx_sessions": sessions}
#: what means nothing of a table that workers share: a stable id, whose order nobody knows, and their threads
_NOT_IN_SQL = {"events", "id", "spill", "sorted_by_user", "n_threads"}
#: arguments that may stand by place, behind the table
_BY_PLACE = ("user", "time", "gap")
#: arguments that name columns
_ROLES = (
    *AS_COLUMNS,
    "start_on",
    "end_on",
    "split_on",
    "keep_alive",
    "unique",
    "first",
    "last",
    "sum",
    "any",
)


def register(spark: Any) -> None:
    """Make the table functions callable in a Spark session."""
    from pyspark.sql.functions import udtf
    from pyspark.util import PythonEvalType

    for name in VERBS:
        function = udtf(HANDLERS[name])
        function.evalType = PythonEvalType.SQL_ARROW_UDTF  # batches of Arrow: see above
        spark.udtf.register(name, function)


@dataclass(frozen=True)
class Asked:
    """A call of a table function, bound; it goes to the workers."""

    call: str
    #: the table's columns, a StructType
    schema: Any
    #: arguments of the verb
    options: Mapping[str, Any]

    @functools.cached_property
    def walk(self) -> TableWalk:
        with spark_words(self.call):
            answer: TableWalk = VERBS[self.call](TableArgument(self.schema), **self.options)
        return answer


# ---------------------------------------------------------------- while Spark binds the query


def taken_by(call: str) -> dict[str, str]:
    """Arguments of a table function, and of its verb."""
    names = [name for name in inspect.signature(VERBS[call]).parameters if name not in _NOT_IN_SQL]
    return {sql_name(name): name for name in names}


def bound(call: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Asked:
    """What was written in the query, as the verb takes it: tables and constants, by place or by name."""
    tables = [one for one in (*arguments, *named.values()) if one.isTable]
    if not tables:
        hint = f"write {call}(TABLE(events), user_col => 'user_id', time_col => 'ts')."
        raise errors.missing_argument(call, ["TABLE(…)"], hint)
    given = _given(call, [one for one in arguments if not one.isTable], named)
    absent = [sql_name(name) for name in ("user", "time") if name not in given]
    if absent:
        raise errors.missing_argument(call, absent, f"name the column: {absent[0]} => '…'.")
    schema = tables[0].dataType
    options = {name: _constant(call, name, value) for name, value in given.items()}
    return Asked(call, schema, {name: _folded(schema.names, name, value) for name, value in options.items()})


def _given(call: str, by_place: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the verb, as they were written."""
    taken, hint = taken_by(call), "all but user_col, time_col and gap is written by name: max_events => 50."
    if len(by_place) > len(_BY_PLACE):
        shown = [one.value for one in by_place]
        raise errors.bad_option(call, "values", shown, "too many stand without a name.", hint)
    given = dict(zip(_BY_PLACE, by_place, strict=False))
    for name, value in ((name.casefold(), value) for name, value in named.items() if not value.isTable):
        if name not in taken:
            raise errors.unknown_word(call, "argument", name, taken)
        if taken[name] in given:
            raise errors.bad_option(call, taken[name], value.value, "stands by place, too.", hint)
        given[taken[name]] = value
    return given


def _constant(call: str, name: str, argument: Any) -> Any:
    if not argument.isConstantExpression:
        hint = "write the value itself; names of columns are texts."
        raise errors.bad_option(call, name, "…", "not a constant.", hint)
    return argument.value


def _folded(columns: Sequence[str], name: str, value: Any) -> Any:
    """Names of columns as the table has them: SQL does not tell cases apart."""
    if name not in _ROLES or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_folded(columns, name, one) for one in value]
    alike = [column for column in columns if column.casefold() == str(value).casefold()]
    return alike[0] if len(alike) == 1 else value


def _analyzed(call: str, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What Spark wants to know before it reads a row."""
    from pyspark.sql import udtf

    with spark_words(call):
        asked = bound(call, arguments, named)
    walk = asked.walk
    return _analysis()(
        walk.schema,
        partitionBy=[udtf.PartitioningColumn(walk.partition_by)],
        orderBy=[udtf.OrderingColumn(one) for one in walk.order_by],
        asked=Asked(call, asked.schema, asked.options),  # without the walk, which stays here
    )


@functools.cache
def _analysis() -> Any:
    """Spark's class of such answers, with the call: workers get it back."""
    from pyspark.sql.udtf import AnalyzeResult

    return make_dataclass("Analysis", [("asked", Any, None)], bases=(AnalyzeResult,))


# ---------------------------------------------------------------- in the workers


class _Bucket:
    """A bucket of users, whose batches come in order."""

    def __init__(self, analysis: Any) -> None:
        self._asked: Asked = analysis.asked
        self._turns: InTurns | None = None

    def eval(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        import pyarrow as pa

        with spark_words(self._asked.call):
            for batch in (*arguments, *named.values()):
                if isinstance(batch, pa.RecordBatch):
                    self._turns = self._turns or InTurns(self._asked.walk.run(zone_of(batch)), PIECE)
                    yield from self._turns.give(batch)

    def terminate(self) -> Iterator[Any]:
        with spark_words(self._asked.call):
            if self._turns is not None:
                yield from self._turns.end()

    def cleanup(self) -> None:
        if self._turns is not None:
            self._turns.leave()


class _Sessionize(_Bucket):
    @staticmethod
    def analyze(*arguments: Any, **named: Any) -> Any:
        return _analyzed("cx_sessionize", arguments, named)


class _Sessions(_Bucket):
    @staticmethod
    def analyze(*arguments: Any, **named: Any) -> Any:
        return _analyzed("cx_sessions", arguments, named)


#: SQL function -> what Spark asks
HANDLERS: dict[str, type] = {"cx_sessionize": _Sessionize, "cx_sessions": _Sessions}
