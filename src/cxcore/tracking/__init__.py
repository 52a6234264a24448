"""Scores in time: wave after wave, a trend over them, rolling windows, and where the level shifted."""

from __future__ import annotations

from cxcore.tracking.change_points import change_points
from cxcore.tracking.rolling import rolling
from cxcore.tracking.trend import trend
from cxcore.tracking.waves import waves

__all__ = ["change_points", "rolling", "trend", "waves"]
