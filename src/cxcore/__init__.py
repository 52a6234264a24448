"""Customer-experience analytics with a compiled core: sessions, attribution, scores with intervals."""

from cxcore import attribution, customers, datasets, designs, intervals, metrics
from cxcore import polars as polars  # registers df.cx, lf.cx and pl.col(…).cx
from cxcore._build import __version__ as __version__
from cxcore._build import build_info
from cxcore._index import EventIndex, index
from cxcore._spill import Spill
from cxcore.attribution import attribute, attribute_paths, paths
from cxcore.comparison import compare
from cxcore.customers import per_customer
from cxcore.errors import (
    ColumnNotFoundError,
    CxDeprecationWarning,
    CxError,
    DegenerateDataWarning,
    InvalidDataError,
    InvalidOptionError,
    MissingDependencyError,
    UnsupportedFrameError,
)
from cxcore.identity import stitch
from cxcore.score_state import ScoreState
from cxcore.scores import ces, csat, mean_score, nps
from cxcore.sessions import SessionRules, SessionStream, SessionUpdate, sessionize
from cxcore.sessions import sessions as sessions
from cxcore.sizing import sample_size
from cxcore.tracking import change_points, rolling, trend, waves

__all__ = [
    "ColumnNotFoundError",
    "CxDeprecationWarning",
    "CxError",
    "DegenerateDataWarning",
    "EventIndex",
    "InvalidDataError",
    "InvalidOptionError",
    "MissingDependencyError",
    "ScoreState",
    "SessionRules",
    "SessionStream",
    "SessionUpdate",
    "Spill",
    "UnsupportedFrameError",
    "attribute",
    "attribute_paths",
    "attribution",
    "build_info",
    "ces",
    "change_points",
    "compare",
    "csat",
    "customers",
    "datasets",
    "designs",
    "index",
    "intervals",
    "mean_score",
    "metrics",
    "nps",
    "paths",
    "per_customer",
    "rolling",
    "sample_size",
    "sessionize",
    "sessions",
    "stitch",
    "trend",
    "waves",
]
