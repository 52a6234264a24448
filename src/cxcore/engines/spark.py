"""Spark: rows stay where they lie. Workers take parts of whole users through the verb, or Spark counts rows.

``repartition`` by the user, ``sortWithinPartitions`` and ``mapInArrow`` of the DataFrame API alone, so that
classic Spark and Spark Connect go one way. What only a whole log can answer comes to the driver: the columns
that are asked for, as far as ``spark.driver.maxResultSize`` lets them. Why so: docs/adr/0033.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import (
    COUNT,
    KIND,
    MANY,
    TOTAL,
    Alike,
    Compute,
    Counted,
    Engine,
    Parts,
    SchemaOf,
    Spread,
    Whole,
    loaded,
)
from cxcore.engines.spark_types import (
    BYTES,
    SPARK,
    as_local,
    held_by_spark,
    is_collated,
    refuse_unmoved,
    struct,
    zone_known,
)
from cxcore.engines.spark_workers import InWorker, frames_walked, rows_walked, sorting

#: setting of a session: who sorts a partition, "spark" (it spills) or "kernel" (the worker, in memory)
_SORT = "spark.cxcore.sort"


class SparkFrame(Engine):
    name = SPARK
    extra = "spark"

    def handles(self, frame: Any) -> bool:
        kinds = map(loaded, ("pyspark.sql", "pyspark.sql.connect.dataframe", "pyspark.pandas"))
        return any(kind is not None and isinstance(frame, kind.DataFrame) for kind in kinds)

    def open(self, call: str, frame: Any) -> tuple[Engine, Any]:
        pandas = loaded("pyspark.pandas")
        if pandas is not None and isinstance(
            frame, pandas.DataFrame
        ):  # an Arrow stream, too: all on the driver
            raise errors.not_a_frame(call, "a DataFrame of pandas on Spark", "pass frame.to_spark().")
        if frame.isStreaming:
            hint = "Spark's own session_window counts as gap= does; or call the verb in foreachBatch."
            raise errors.not_a_frame(call, "a stream of Spark's", hint)
        return self, frame

    def columns(self, frame: Any) -> list[str]:
        return list(frame.columns)

    def folded(self, name: str) -> str:
        return name.casefold()

    def hold(self, call: str, frame: Any) -> Any:
        raise errors.not_held(call, self.name)

    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        """On the driver."""
        asked = frame if columns is None else _narrowed(call, frame, columns)
        return _house(call, _collected(asked), _zone(frame))

    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        raise errors.not_held("with_columns", self.name)

    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        ready = held_by_spark(result)
        table = ready.to_arrow(compat_level=pl.CompatLevel.oldest())
        return frame.sparkSession.createDataFrame(table, schema=struct(ready.schema))

    def rows(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        parts = None if spread is None else spread()
        if not isinstance(parts, Parts):
            raise errors.not_held(call, self.name)
        names, zone = list(dict.fromkeys(columns)), _zone(frame)
        refuse_unmoved(call, frame.schema.fields)
        before = _schema(call, frame, names)
        compute(pl.DataFrame(schema=before))  # what is wrong with types is said at once
        new = struct(schema(before))
        both = type(new)([*frame.schema.fields, *new.fields])
        read = dict(zip(names, map(frame.columns.index, names), strict=True))
        walk = rows_walked(parts.walk, read, zone, _arrow(frame, new))
        return _walked(call, frame, parts, before, read, walk, both)

    def summary(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        parts = None if spread is None else spread()
        if parts is None or columns is None or isinstance(parts, Whole):
            house = self.read(call, frame, columns)
            return self.from_house(
                frame, compute(house.sort(parts.order) if isinstance(parts, Whole) else house)
            )
        narrow, zone = _narrowed(call, frame, dict.fromkeys(columns)), _zone(frame)
        if isinstance(parts, Counted):
            counted = narrow.groupBy(*map(quoted, narrow.columns)).count().withColumnRenamed("count", COUNT)
            return self.from_house(frame, parts.compute(_house(call, _collected(counted), zone)))
        before, read = _schema(call, frame, columns), {name: at for at, name in enumerate(narrow.columns)}
        nothing = pl.DataFrame(schema=before)
        if isinstance(parts, Alike):
            compute(nothing)
            counted = _house(call, _collected(_counted(narrow, parts)), zone)
            return self.from_house(frame, parts.compute(*_alike(counted, parts, zone)))
        while True:
            (parts.check or compute)(nothing)
            partial = pl.Schema((parts.partial or schema)(before))
            kind = struct(partial)
            walk = frames_walked(parts.walk, read, zone, _arrow(frame, kind))
            found = _walked(call, narrow, parts, before, read, walk, kind)
            if parts.merge is None:
                return found
            merged = parts.merge(_house(call, _collected(found), zone).cast(partial))
            if not isinstance(merged, Parts):
                return self.from_house(frame, merged)
            parts = merged


# ---------------------------------------------------------------- what Spark counts


def _counted(narrow: Any, parts: Alike) -> Any:
    """Rows, and under them kinds of customers: arrays of what one of them said, sorted."""
    from pyspark.sql import functions as sf

    place = {name: f"c{at}" for at, name in enumerate(narrow.columns)}
    keys, within = ([place[name] for name in names] for names in (parts.keys, parts.within))
    frame, of_row = narrow.toDF(*place.values()), list(dict.fromkeys([*within, place[parts.column]]))
    rows = frame.groupBy(*of_row).count()
    worth = _worth(sf.col(place[parts.column]), parts.worth).alias("worth")
    said = frame.select(*dict.fromkeys([*keys, *within]), worth).where("worth IS NOT NULL")
    nobody = reduce(or_, (sf.col(key).isNull() for key in keys))
    cell, size = sf.struct(*within, "size", "worth"), sf.count(sf.lit(1)).alias("size")
    of_key = (
        said.where(~nobody)
        .groupBy(*dict.fromkeys([*keys, *within]))
        .agg(size, sf.sum("worth").alias("worth"))
    )
    customers = of_key.groupBy(*keys).agg(sf.sort_array(sf.collect_list(cell)).alias("kind"))
    # a row that lacks a key is of a customer of its own
    alone = said.where(nobody).groupBy(*within, "worth").agg(sf.count(sf.lit(1)).alias("many"))
    alone = alone.withColumn("size", sf.lit(1).cast("bigint")).select(sf.array(cell).alias("kind"), "many")
    kinds = customers.groupBy("kind").agg(sf.count(sf.lit(1)).alias("many")).unionByName(alone)
    return rows.unionByName(kinds, allowMissingColumns=True)


def _worth(column: Any, worth: Mapping[int, int]) -> Any:
    """What a value is worth; null where it does not count."""
    from pyspark.sql import functions as sf

    found = sf.lit(None)
    for value in sorted(set(worth.values())):
        found = sf.when(column.isin([level for level in worth if worth[level] == value]), value).otherwise(
            found
        )
    return found.cast("bigint")


def _alike(counted: pl.DataFrame, parts: Alike, zone: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows and kinds apart, by the names of the house."""
    names = list(dict.fromkeys([*parts.within, parts.column]))
    is_row = pl.col("many").is_null()
    rows = counted.filter(is_row).drop("kind", "many")
    kinds = counted.filter(~is_row).select("kind", "many").with_row_index(KIND).explode("kind").drop_nulls()
    kinds = as_local(kinds.unnest("kind"), zone)
    of_kinds = [KIND, *parts.within, COUNT, TOTAL, MANY]
    return (
        rows.rename(dict(zip(rows.columns, [*names, COUNT], strict=True))),
        kinds.rename(dict(zip(kinds.columns, of_kinds, strict=True))),
    )


# ---------------------------------------------------------------- on the driver


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _narrowed(call: str, frame: Any, names: Any) -> Any:
    """These columns alone, as the house compares them."""
    names = list(names)
    alike = Counter(name.casefold() for name in frame.columns)
    asked = {name.casefold() for name in names if alike[name.casefold()] > 1}
    if asked and frame.sparkSession.conf.get("spark.sql.caseSensitive") != "true":
        raise errors.duplicate_columns(call, [name for name in frame.columns if name.casefold() in asked])
    refuse_unmoved(call, [field for field in frame.schema.fields if field.name in names])
    return frame.select(*_columns(frame, names))


def _columns(frame: Any, names: Sequence[str]) -> list[Any]:
    """Columns by their names; text as its bytes, whatever Spark takes for equal."""
    from pyspark.sql import functions as sf

    collated = {field.name for field in frame.schema.fields if is_collated(field.dataType)}
    columns = {name: sf.col(quoted(name)) for name in names}
    return [
        sf.collate(column, BYTES).alias(name) if name in collated else column
        for name, column in columns.items()
    ]


#: what a worker refused, inside the text of Spark's error: the lines of ours are indented
_REFUSED = re.compile(r"cxcore\.errors\.(\w+): (.+(?:\n  \S.*)*)")


def _collected(frame: Any) -> Any:
    """On the driver, as Arrow; what a worker refused is refused here."""
    try:
        return frame.toArrow()
    except Exception as error:
        refused = _REFUSED.search(str(error))
        if refused is None:
            raise
        raise getattr(errors, refused[1])(refused[2]) from error


def _zone(frame: Any) -> str:
    """Where the days of Spark's timestamps begin: in the zone of the session, if Polars knows it by name."""
    return zone_known(frame.sparkSession.conf.get("spark.sql.session.timeZone"))


def _house(call: str, table: Any, zone: str) -> pl.DataFrame:
    try:
        return as_local(pl.DataFrame(table), zone)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise errors.unreadable_frame(call, SparkFrame.name, str(error)) from error


def _schema(call: str, frame: Any, columns: Sequence[str]) -> pl.Schema:
    """As the house will see these columns; Spark answers for no row without a job."""
    narrow = _narrowed(call, frame, dict.fromkeys(columns))
    return _house(call, narrow.limit(0).toArrow(), _zone(frame)).schema


def _walked(
    call: str,
    frame: Any,
    parts: Parts,
    before: pl.Schema,
    read: Mapping[str, int],
    walk: InWorker,
    schema: Any,
) -> Any:
    """What workers give; they sort their parts themselves where the session says so and Polars can."""
    word = frame.sparkSession.conf.get(_SORT, "spark")
    if word not in (words := ("spark", "kernel")):
        raise errors.unknown_word(call, _SORT, word, words)
    nested = any(before[name].is_nested() for name in (*parts.keys, *parts.order))
    if word == "spark" or nested:
        return _placed(frame, parts, sort=True).mapInArrow(walk, schema)
    return _placed(frame, parts, sort=False).mapInArrow(sorting(walk, parts, read), schema)


def _placed(frame: Any, parts: Parts, *, sort: bool) -> Any:
    """Whole users in each partition, in order; rows without a key by what they may be spread by."""
    from pyspark.sql import functions as sf

    keys, order, spread = (_columns(frame, names) for names in (parts.keys, parts.order, parts.spread))
    nobody = reduce(or_, (key.isNull() for key in keys))
    if len(keys) > 1:
        keys = [sf.when(~nobody, key) for key in keys]
    by = [*keys, *(sf.when(nobody, column) for column in spread)]
    placed = frame.repartition(*by)
    placed = placed.sortWithinPartitions(*keys, *order) if sort else placed
    return placed.toDF(*(f"c{at}" for at in range(len(frame.columns))))  # mapInArrow takes no name with a dot


def _arrow(frame: Any, kind: Any) -> Any:
    """What Spark takes for columns of these types from a worker."""
    return frame.sparkSession.createDataFrame([], kind).toArrow().schema
