"""Fixtures: ``race`` times contenders, ``memory`` measures peaks. Settings first: they pin the threads."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import settings

# isort: split
import memory as child
import numpy as np
import polars as pl
import pytest
from race import CLOCK, Race

import cxcore


@pytest.fixture
def race(benchmark: Any, request: pytest.FixtureRequest) -> Race:
    marker = request.node.get_closest_marker("benchmark")
    return Race(benchmark, marker.kwargs["timer"] if marker else CLOCK)


@pytest.fixture
def memory(benchmark: Any) -> Callable[..., None]:
    """Peak memory of a whole verb in a process of its own (``memory.py``), as a line of the results."""

    def measure(case: str, frame: pl.DataFrame, *, words: str) -> None:
        benchmark.group = f"memory/{case}"
        benchmark.extra_info.update(contender="cxcore", role="memory", part=1.0, words=words, rows=len(frame))
        benchmark.extra_info.update(benchmark.pedantic(child.measure, args=(case, frame), rounds=1))

    return measure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=CLOCK, disable_gc=True))
        item.add_marker(pytest.mark.filterwarnings("default"))  # a rival's warnings are not ours to forbid


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Versions and settings for the report; the host's name is nobody's business."""
    assert pl.thread_pool_size() == settings.THREADS, "polars was imported before settings"
    machine_info.pop("node", None)
    found = {}
    for name in (
        "numpy",
        "polars",
        "duckdb",
        "scipy",
        "arch",
        "ChannelAttribution",
        "marketing_attribution_models",
        "chdb",
        "retentioneering",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    machine_info["versions"] = found
    machine_info["bench"] = {
        "scale": settings.SCALE,
        "threads": settings.THREADS,
        "rounds": settings.ROUNDS,
        "clock": CLOCK.__name__,
        "build": str(getattr(cxcore, "build_info", dict)()),
    }


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)
