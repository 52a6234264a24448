"""Customer-experience analytics with a compiled core: sessions, attribution, scores with intervals."""

from cxcore import datasets
from cxcore._build import build_info
from cxcore._index import EventIndex, index
from cxcore.attribution import attribute
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
from cxcore.sessions import sessionize
from cxcore.sessions import sessions as sessions

__all__ = [
    "ColumnNotFoundError",
    "CxDeprecationWarning",
    "CxError",
    "DegenerateDataWarning",
    "EventIndex",
    "InvalidDataError",
    "InvalidOptionError",
    "MissingDependencyError",
    "UnsupportedFrameError",
    "attribute",
    "build_info",
    "datasets",
    "index",
    "sessionize",
    "sessions",
]
