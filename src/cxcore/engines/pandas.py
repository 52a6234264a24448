"""pandas: the frame as it lies, whatever its index, with columns at its right.

New whole numbers are always nullable (``Int64``) and new truths ``boolean``, so that a dtype never depends on
whether one row has no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.arrow import refuse_far_seconds
from cxcore.engines.base import Engine, loaded


class PandasFrame(Engine):
    name = "pandas DataFrame"
    extra = "pandas"

    def handles(self, frame: Any) -> bool:
        pd = loaded("pandas")
        return pd is not None and isinstance(frame, pd.DataFrame)

    def columns(self, frame: Any) -> list[str]:
        """The names that are text; a column of another name cannot play a role, and comes back as it was."""
        return [name for name in frame.columns if isinstance(name, str)]

    def hold(self, call: str, frame: Any) -> Any:
        return frame.copy(deep=False)  # copy on write

    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        try:
            import pyarrow as pa
        except ImportError as error:
            raise errors.missing_dependency(call, "pyarrow", "pandas") from error
        read = {}
        for name in self.columns(frame) if columns is None else columns:
            try:
                if "[s" in str(frame[name].dtype):  # times in seconds, of NumPy or of Arrow
                    refuse_far_seconds(pa.array(frame[name]))
                read[name] = pl.from_pandas(frame[name])
            except (
                OverflowError,
                pa.ArrowException,
                pl.exceptions.PolarsError,
                pl.exceptions.PanicException,
            ) as error:
                if columns is None:
                    continue
                reason = f"the column {name!r} is {frame[name].dtype}: {error}"
                raise errors.unreadable_frame(call, self.name, reason) from error
        return pl.DataFrame(read, height=len(frame))

    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        return frame.assign(**{column.name: _array(column) for column in new})

    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        import pandas as pd

        return pd.DataFrame({column.name: _array(column) for column in result})


def _array(column: pl.Series) -> Any:
    """A column as a pandas array, without an index that could be aligned."""
    import pandas as pd

    if column.dtype.is_integer():
        wide = column.cast(pl.UInt64 if column.dtype == pl.UInt64 else pl.Int64)
        return pd.arrays.IntegerArray(wide.fill_null(0).to_numpy(writable=True), _absent(wide))
    if column.dtype == pl.Boolean:
        return pd.arrays.BooleanArray(column.fill_null(value=False).to_numpy(writable=True), _absent(column))
    if column.dtype == pl.Date:  # pandas has no type for it: as Python's dates, which is how it came
        return pd.array(column.to_list(), dtype=object)
    return column.to_pandas().array


def _absent(column: pl.Series) -> Any:
    return column.is_null().to_numpy(writable=True)
