"""pyarrow: tables as they lie, with columns at their right; a reader comes back as a reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import Engine, loaded

#: that many seconds are milliseconds of an int64
_MOST_SECONDS = (2**63 - 1) // 1_000


class ArrowTable(Engine):
    name = "pyarrow Table"
    extra = "arrow"

    def handles(self, frame: Any) -> bool:
        pa = loaded("pyarrow")
        return pa is not None and isinstance(frame, (pa.Table, pa.RecordBatch))

    def open(self, call: str, frame: Any) -> tuple[Engine, Any]:
        import pyarrow as pa

        return self, pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame

    def columns(self, frame: Any) -> list[str]:
        return list(frame.column_names)

    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        read = {}
        for name in frame.column_names if columns is None else columns:
            try:
                part = frame.select([name])
                refuse_far_seconds(part.column(0))
                read[name] = pl.DataFrame(part).to_series()
            except (OverflowError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                if columns is not None:
                    reason = f"the column {name!r} is {frame.schema.field(name).type}: {error}"
                    raise errors.unreadable_frame(call, self.name, reason) from error
        return pl.DataFrame(read, height=len(frame))

    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        for name, column in zip(new.columns, _table(new).columns, strict=True):
            frame = frame.append_column(name, column)
        return frame

    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        return _table(result)


class ArrowReader(ArrowTable):
    """A reader in, a reader out: all batches are read once, and the answer has the same batches."""

    name = "pyarrow RecordBatchReader"

    def handles(self, frame: Any) -> bool:
        pa = loaded("pyarrow")
        return pa is not None and isinstance(frame, pa.RecordBatchReader)

    def open(self, call: str, frame: Any) -> tuple[Engine, Any]:
        """Read at once, since a stream can be read once; from here on the frame is a table."""
        return self, frame.read_all()

    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        return super().with_columns(frame, house, new).to_reader()

    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        return super().from_house(frame, result).to_reader()


def refuse_far_seconds(column: Any) -> None:
    """Polars reads seconds as milliseconds, and those wrap where an int64 does not hold them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_timestamp(column.type) or column.type.unit != "s":
        return
    ends = pc.min_max(column.cast(pa.int64())).as_py()
    if any(end is not None and abs(end) > _MOST_SECONDS for end in ends.values()):
        raise OverflowError("a time is further from 1970 than milliseconds reach.")


def _table(frame: pl.DataFrame) -> Any:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
