"""Types of Spark's, and the values that they hold: what goes to it, and what comes from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
import polars.selectors as cs

from cxcore import errors

#: what errors call it
SPARK = "Spark DataFrame"
#: the collation of text that is told apart by its bytes, as the house does
BYTES = "UTF8_BINARY"


def is_collated(kind: Any) -> bool:
    return getattr(kind, "collation", BYTES) != BYTES


def refuse_unmoved(call: str, fields: Sequence[Any]) -> None:
    """Spark hands over what Arrow has a type for: no intervals of months."""
    for field in fields:
        kind = field.dataType.simpleString()
        if re.search(r"interval (year|month)", kind):
            reason = f"Spark hands no worker the column {field.name!r}, which is {kind}."
            raise errors.unreadable_frame(call, SPARK, reason)


def zone_known(zone: str) -> str:
    try:
        pl.Series([], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        return "UTC"
    return zone


def as_local(house: pl.DataFrame, zone: str) -> pl.DataFrame:
    return house.with_columns(cs.datetime(time_zone="*").dt.convert_time_zone(zone))


def struct(schema: Any) -> Any:
    from pyspark.sql import types

    return types.StructType([types.StructField(name, type_of(name, dtype)) for name, dtype in schema.items()])


def type_of(name: str, dtype: Any) -> Any:
    """The type of Spark's for a column of the house."""
    from pyspark.sql import types as spark

    if isinstance(dtype, pl.List | pl.Array):
        return spark.ArrayType(type_of(name, dtype.inner))
    if isinstance(dtype, pl.Struct):
        return struct({field.name: field.dtype for field in dtype.fields})
    if isinstance(dtype, pl.Decimal):
        return spark.DecimalType(dtype.precision or 38, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return spark.TimestampNTZType() if dtype.time_zone is None else spark.TimestampType()
    kinds = {
        pl.Boolean: spark.BooleanType,
        pl.Int8: spark.ByteType,
        **dict.fromkeys((pl.Int16, pl.UInt8), spark.ShortType),
        **dict.fromkeys((pl.Int32, pl.UInt16, pl.Null), spark.IntegerType),
        **dict.fromkeys((pl.Int64, pl.UInt32, pl.UInt64), spark.LongType),
        pl.Float32: spark.FloatType,
        pl.Float64: spark.DoubleType,
        **dict.fromkeys((pl.String, pl.Categorical, pl.Enum), spark.StringType),
        pl.Binary: spark.BinaryType,
        pl.Date: spark.DateType,
        pl.Duration: spark.DayTimeIntervalType,
    }
    kind = kinds.get(type(dtype))
    if kind is None:
        raise errors.no_type(SPARK, name, dtype)
    return kind()


def house_type(kind: Any) -> Any:
    """The type of the house for one of Spark's, as it comes through Arrow; a struct where it is no role's."""
    from pyspark.sql import types as spark

    if isinstance(kind, spark.StringType | spark.VarcharType | spark.CharType):
        return pl.String()
    if isinstance(kind, spark.DecimalType):
        return pl.Decimal(kind.precision, kind.scale)
    if isinstance(kind, spark.ArrayType):
        return pl.List(house_type(kind.elementType))
    if isinstance(kind, spark.StructType):
        return pl.Struct({field.name: house_type(field.dataType) for field in kind.fields})
    if isinstance(kind, spark.MapType):
        return pl.List(pl.Struct({"key": house_type(kind.keyType), "value": house_type(kind.valueType)}))
    return {
        spark.BooleanType: pl.Boolean(),
        spark.ByteType: pl.Int8(),
        spark.ShortType: pl.Int16(),
        spark.IntegerType: pl.Int32(),
        spark.LongType: pl.Int64(),
        spark.FloatType: pl.Float32(),
        spark.DoubleType: pl.Float64(),
        spark.BinaryType: pl.Binary(),
        spark.DateType: pl.Date(),
        spark.TimestampType: pl.Datetime("us", "UTC"),
        spark.TimestampNTZType: pl.Datetime("us"),
        spark.DayTimeIntervalType: pl.Duration("us"),
        spark.NullType: pl.Null(),
    }.get(type(kind), pl.Struct({}))


#: types that Spark lacks, as the next that hold their values
_WIDER: dict[Any, Any] = {
    pl.UInt8: pl.Int16,
    pl.UInt16: pl.Int32,
    pl.UInt32: pl.Int64,
    pl.UInt64: pl.Int64,
    pl.Null: pl.Int32,
    pl.Categorical: pl.String,
    pl.Enum: pl.String,
}


def held_by_spark(house: pl.DataFrame) -> pl.DataFrame:
    """The same values in types that Spark has; refused where it cannot hold one."""
    return pl.DataFrame([_column(column) for column in house], height=len(house) if house.width else None)


def _column(column: pl.Series) -> pl.Series:
    dtype: Any = column.dtype
    wanted = _WIDER.get(type(dtype))
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "us":
        wanted = pl.Datetime("us", dtype.time_zone)
    elif isinstance(dtype, pl.Duration) and dtype.time_unit != "us":
        wanted = pl.Duration("us")
    if wanted is None:
        return column
    ready = column.cast(wanted, strict=False)
    if not ready.cast(dtype, strict=False).equals(column, null_equal=True):
        raise errors.no_type(SPARK, column.name, dtype)
    return ready
