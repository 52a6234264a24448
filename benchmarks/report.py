"""From pytest-benchmark's JSON to a page, a printed table and ratios to compare.

    python benchmarks/report.py results/run.json                  the table, and every ratio that fell
    python benchmarks/report.py results/run.json --page docs/benchmarks.md
    python benchmarks/report.py results/run.json --baseline       commit this run's ratios as the new baseline

A ratio is the rival's median time by cxcore's median time, of one run in turns: above 1 cxcore is faster.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).resolve().parent / "results" / "baseline.json"
#: a ratio below this share of the committed one is named
FELL = 0.5
GOAL_SIZE = "Goals are set for scale 1.0; smaller logs show the fixed cost of a call."
AREAS = {"sessions": "Sessions", "keys": "Keys", "attribution": "Attribution", "scores": "Scores"}


@dataclass
class Line:
    """One contender of a group."""

    name: str
    role: str
    seconds: float
    rounds: int
    scaled: bool
    ratio: float = 0.0


@dataclass
class Group:
    """One task on one data set."""

    name: str
    rows: int = 0
    words: str = ""
    left_out: str = ""
    goals: list[list[Any]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def verb(self) -> Line:
        return next(line for line in self.lines if line.role == "verb")

    def rivals(self, begins: str = "") -> list[Line]:
        """Best first."""
        found = [line for line in self.lines if line.role == "rival" and line.name.startswith(begins)]
        return sorted(found, key=lambda line: line.seconds)


def read(path: Path) -> tuple[dict[str, Any], list[Group]]:
    """A run: its machine and its groups."""
    run = json.loads(path.read_text())
    groups: dict[str, Group] = {}
    for bench in run["benchmarks"]:
        info = bench["extra_info"]
        group = groups.setdefault(bench["group"], Group(bench["group"]))
        group.rows, group.words = info["rows"], info["words"]
        group.left_out = info.get("left_out", "")
        if info["role"] == "memory":
            group.memory = info
            continue
        group.goals = info.get("goals", group.goals)
        stats = bench["stats"]
        line = Line(info["contender"], info["role"], stats["median"], stats["rounds"], info["part"] != 1)
        group.lines.append(line)
    for group in groups.values():
        for line in group.lines:
            line.ratio = line.seconds / group.verb.seconds
    return run, list(groups.values())


# --------------------------------------------------------------------------- texts
def seconds(value: float) -> str:
    """Three digits and a unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * factor >= 1 or unit == "µs":
            return f"{value * factor:.3g} {unit}"
    raise AssertionError


def times(ratio: float) -> str:
    """A ratio as people read it."""
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.1f}x" if ratio >= 10 else f"{ratio:.2f}x"


def verdicts(group: Group) -> list[str]:
    """Each goal of a group, and whether this run meets it."""
    texts = []
    for ratio, rival in group.goals:
        best = group.rivals(rival)
        if best:
            reached = "met" if best[0].ratio >= ratio else "not met"
            texts.append(f">= {ratio:.4g}x {rival}: {reached} ({times(best[0].ratio)})")
    return texts


def summary(groups: list[Group]) -> list[list[str]]:
    """One row per group: task, rows, cxcore, best rival, ratio, goals."""
    table = []
    for group in groups:
        if not group.lines:
            continue
        best = group.rivals()
        rival = f"{best[0].name}, {seconds(best[0].seconds)}" if best else "none"
        ratio = times(best[0].ratio) if best else ""
        row = [group.name, f"{group.rows:,}", seconds(group.verb.seconds), rival, ratio]
        table.append([*row, "; ".join(verdicts(group))])
    return table


def slower(groups: list[Group]) -> list[str]:
    """Every rival that beats cxcore, but for cxcore itself (a rule beside the gap alone)."""
    return [
        f"{group.name} ({group.words}): {line.name} takes {seconds(line.seconds)}, "
        f"cxcore {seconds(group.verb.seconds)} ({times(line.ratio)})"
        for group in groups
        for line in group.rivals()
        if line.ratio < 1 and not line.name.startswith("cxcore")
    ]


# --------------------------------------------------------------------------- ratios
def ratios(run: dict[str, Any], groups: list[Group]) -> dict[str, Any]:
    """What ``baseline.json`` holds."""
    table = {
        group.name: {line.name: round(line.ratio, 3) for line in group.rivals()}
        for group in groups
        if group.lines
    }
    bench = run["machine_info"]["bench"]
    return {"scale": bench["scale"], "threads": bench["threads"], "ratios": dict(sorted(table.items()))}


def compare(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Ratios below half of the committed ones, and committed ones that this run lacks."""
    texts = [
        f"note: {setting} is {new[setting]} here and {old[setting]} in the baseline"
        for setting in ("scale", "threads")
        if new[setting] != old[setting]
    ]
    for group, rivals in old["ratios"].items():
        for rival, was in rivals.items():
            now = new["ratios"].get(group, {}).get(rival)
            if now is None:
                texts.append(f"missing: {group} against {rival} (was {times(was)})")
            elif now < FELL * was:
                texts.append(f"FELL: {group} against {rival}: {times(now)}, was {times(was)}")
    return texts


# --------------------------------------------------------------------------- page
def page(run: dict[str, Any], groups: list[Group]) -> str:
    """docs/benchmarks.md."""
    parts = [_head(run)]
    by_area = defaultdict(list)
    for group in groups:
        by_area[group.name.split("/")[0]].append(group)
    for area, title in AREAS.items():
        if by_area[area]:
            parts.append(f"## {title}\n\n{_markdown(_SUMMARY, summary(by_area[area]))}")
            parts.append(_data(by_area[area]))
    parts += [_memory(by_area["memory"]), _slower(groups), _everything(groups)]
    return "\n\n".join(part for part in parts if part) + "\n"


_SUMMARY = ["task", "rows", "cxcore", "best rival", "ratio", "goal"]


def _head(run: dict[str, Any]) -> str:
    machine, commit = run["machine_info"], run.get("commit_info", {})
    bench, cpu = machine["bench"], machine.get("cpu", {})
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    processor = cpu.get("brand_raw", machine.get("processor", "unknown"))
    dirty = ", with changes that were not committed" if commit.get("dirty") else ""
    clock = {"process_time": "CPU time of the process", "perf_counter": "wall time"}[bench["clock"]]
    return f"""# Benchmarks

Generated by `benchmarks/report.py` from one run of `make bench`; do not edit. The rules are in
`benchmarks/README.md`: every answer is checked on the same data before it is
timed, rivals run in turns with cxcore, with the same number of threads; a call shorter than 5 ms is repeated
until it fills them, after as many untimed. A ratio is the best rival's median by cxcore's: above 1 cxcore is
faster. Only ratios mean anything on another machine.

| | |
|---|---|
| date | {run["datetime"][:16]} |
| commit | {commit.get("id", "unknown")[:12]}{dirty} |
| machine | {processor}, {cpu.get("count", "?")} cores, {machine["system"]} |
| Python | {machine["python_implementation"]} {machine["python_version"]} |
| versions | {versions} |
| build | {bench["build"]} |
| threads of both sides | {bench["threads"]} |
| scale | {bench["scale"]} (1.0: 1 M rows small, 10 M large) |
| clock | {clock}, median of at most {bench["rounds"]} rounds |"""


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _data(groups: list[Group]) -> str:
    told = []
    for group in groups:
        left_out = f" Left out: {group.left_out}." if group.left_out else ""
        told.append(f"- `{group.name}`: {group.words}; {group.rows:,} rows.{left_out}")
    return "Data:\n\n" + "\n".join(told)


def _memory(groups: list[Group]) -> str:
    if not groups:
        return ""
    rows = [
        [
            group.name.split("/")[1],
            group.words,
            f"{group.rows:,}",
            *(f"{group.memory[what] / group.rows:.1f}" for what in ("input", "output")),
            f"{group.memory['beyond_per_row']:.1f}",
        ]
        for group in groups
    ]
    head = ["verb", "data", "rows", "input, bytes a row", "output", "peak beyond both"]
    text = "Peak of the resident set of a process that runs the verb once, less what it had before."
    return f"## Peak memory\n\n{text}\n\n{_markdown(head, rows)}"


def _slower(groups: list[Group]) -> str:
    found = slower(groups)
    missed = [f"{group.name}: {text}" for group in groups for text in verdicts(group) if "not met" in text]
    text = "\n".join(f"- {line}" for line in found) or "Nowhere in this run."
    goals = "\n".join(f"- {line}" for line in missed) or "None."
    return f"## Where cxcore is slower\n\n{text}\n\n### Goals not met in this run\n\n{GOAL_SIZE}\n\n{goals}"


def _everything(groups: list[Group]) -> str:
    rows = [
        [
            group.name,
            line.name + (" ~" if line.scaled else ""),
            {"verb": "whole verb", "part": "part", "rival": "rival"}[line.role],
            seconds(line.seconds),
            f"{1e9 * line.seconds / group.rows:,.1f}",
            times(line.ratio),
            str(line.rounds),
        ]
        for group in groups
        for line in sorted(group.lines, key=lambda line: line.seconds)
    ]
    head = ["task", "contender", "what", "median", "ns a row", "time by cxcore's", "rounds"]
    note = (
        "`~`: scaled up from fewer resamples. Parts are cxcore's kernels and steps alone, or its other ways."
    )
    return f"## Everything\n\n{note}\n\n{_markdown(head, rows)}"


# --------------------------------------------------------------------------- command line
def print_table(groups: list[Group]) -> None:
    rows = [_SUMMARY, *summary(groups)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_SUMMARY))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for group in groups:
        if group.memory:
            print(f"{group.name}: {group.memory['beyond_per_row']:.1f} bytes a row beyond input and output")
    for line in slower(groups):
        print("slower:", line)
    print(GOAL_SIZE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="the JSON of pytest-benchmark")
    parser.add_argument("--page", type=Path, help="write the report to this Markdown file")
    parser.add_argument("--baseline", action="store_true", help="make this run's ratios the committed ones")
    chosen = parser.parse_args()
    run, groups = read(chosen.run)
    print_table(groups)
    found = ratios(run, groups)
    if BASELINE.exists() and not chosen.baseline:
        fell = compare(found, json.loads(BASELINE.read_text()))
        print(*(fell or ["no ratio fell below half of the committed one"]), sep="\n")
    if chosen.baseline:
        BASELINE.parent.mkdir(exist_ok=True)
        BASELINE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if chosen.page:
        chosen.page.write_text(page(run, groups))


if __name__ == "__main__":
    main()
