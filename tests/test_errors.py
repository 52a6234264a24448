"""Every text of ``errors.py``, whole, once; and what the exceptions are to who catches them."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import cxcore as cx
from cxcore import errors

TEXTS: dict[str, tuple[Callable[[], object], type[object], str]] = {}


def text(expected: str, kind: type[object]) -> Callable[[Callable[[], object]], None]:
    """The function of ``errors`` of this name gives something of this kind with this text."""

    def keep(make: Callable[[], object]) -> None:
        TEXTS[make.__name__] = (make, kind, expected)

    return keep


@text(
    "index(): a Spark DataFrame lies in many places, and its rows are in no order.\n"
    "  Hint: bring it to this machine first: frame.toArrow().",
    cx.UnsupportedFrameError,
)
def not_held() -> Exception:
    return errors.not_held("index", "Spark DataFrame")


@text(
    "cx_csat(score, 5, NULL): not two whole numbers.\n  Hint: write cx_csat(score, 1, 10).",
    cx.InvalidOptionError,
)
def sql_arguments() -> Exception:
    error = errors.bad_option("cx_csat", "scale", (5, None), "not two whole numbers.", "scale=(1, 5)")
    return errors.sql_arguments("cx_csat", (5, None), error, "cx_csat(score, 1, 10)")


@text(
    "a Spark DataFrame has no type for the column 'at', which is Time.\n"
    "  Hint: cast what it is made of, such as times to microseconds.",
    cx.UnsupportedFrameError,
)
def no_type() -> Exception:
    return errors.no_type("Spark DataFrame", "at", "Time")


@text(
    "nps(score='q1'): 1 of 3 answers is outside 0..10; first is 11, row 2.\n"
    "  Hint: drop them, or name codes that mean 'no answer' with missing=[11].\n"
    "  Rows are counted in a piece of the frame, as one worker has read it, sorted.",
    cx.InvalidDataError,
)
def in_a_worker() -> Exception:
    return errors.in_a_worker(errors.out_of_scale("nps", "q1", 1, 3, (0, 10), 11, 2))


@text(
    "nps(weight='w'): 1 weight is negative, of 9 rows; first is -1.5, row 3.\n"
    "  Hint: an answer that should not count weighs 0.\n"
    "  Rows that are alike are counted as one, as the engine has brought them.",
    cx.InvalidDataError,
)
def in_a_worker__counted() -> Exception:
    return errors.in_a_worker(errors.negative_weight("nps", "w", 1, 9, -1.5, 3), counted=True)


@text(
    "nps(cluster='who'): 3 of 9 clusters lie in two strata.\n"
    "  Hint: if clusters of two strata share a name, say cluster=[stratum, cluster].",
    cx.InvalidDataError,
)
def two_strata__counted() -> Exception:
    return errors.two_strata("nps", "who", 3, 9)


@text(
    "sessionize(): the rows of a part did not come sorted by 'user', 'time'.\n"
    "  Hint: the engine has dropped the sort: pass another frame.",
    cx.InvalidDataError,
)
def not_in_order() -> Exception:
    return errors.not_in_order("sessionize", ["user", "time"])


@text(
    "nps(score='scor'): no such column.\n  Columns: 'user', 'score'\n  Hint: did you mean 'score'?",
    cx.ColumnNotFoundError,
)
def columns_not_found() -> Exception:
    return errors.columns_not_found("nps", {"score": "scor"}, ["user", "score"])


@text(
    "nps(score='zz', by='plann'): no such columns.\n"
    "  Columns: 'plan', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9', 'c10', 'c11', "
    "'c12', 'c13', 'c14', 'c15', 'c16', 'c17', 'c18', … (1,001 more)\n"
    "  Hint: did you mean 'plan'?",
    cx.ColumnNotFoundError,
)
def columns_not_found__several() -> Exception:
    columns = ["plan", *(f"c{n}" for n in range(1020))]
    return errors.columns_not_found("nps", {"score": "zz", "by": "plann"}, columns)


@text(
    "nps(score=0): no such column.\n  Columns: 'user'\n  Hint: roles take the names of columns.",
    cx.ColumnNotFoundError,
)
def columns_not_found__no_name() -> Exception:
    return errors.columns_not_found("nps", {"score": 0}, ["user"])  # type: ignore[dict-item]


@text(
    "sessions(sum='n'): too much.\n  Hint: cast it.\n"
    "  Rows are counted in one part of 1,000 rows: sessions(spill=…) spreads users over parts.\n"
    "  To find them in the log: log.with_row_index().filter(…), by what is wrong with them.",
    cx.InvalidDataError,
)
def in_a_part() -> Exception:
    wrong = errors.bad_data("sessions", "sum", "n", "too much.", "cast it.")
    return errors.in_a_part("sessions", wrong, 1_000)


@text(
    "sessionize(): the frame has a column 'session_id' already.\n  Hint: drop or rename it first.",
    cx.InvalidDataError,
)
def column_exists() -> Exception:
    return errors.column_exists("sessionize", ["session_id"])


@text(
    "nps(): the frame has several columns named 'a', 'b'.\n  Hint: rename them first.",
    cx.InvalidDataError,
)
def duplicate_columns() -> Exception:
    return errors.duplicate_columns("nps", ["a", "b"])


@text(
    "index(time='t'): takes dates or datetimes, but the column is String.\n  Hint: parse it.",
    cx.InvalidDataError,
)
def wrong_dtype() -> Exception:
    return errors.wrong_dtype("index", "time", "t", "String", "takes dates or datetimes", "parse it.")


@text(
    "index(user='u'): 1,000 of 20,000 rows have no user; the first is row 1,234.\n  Hint: drop them.",
    cx.InvalidDataError,
)
def nulls() -> Exception:
    return errors.nulls("index", "user", "u", 1000, 20_000, 1234, "drop them.")


@text(
    "attribute(value='v'): 2 of 10 rows are not finite numbers; first is nan, row 4.\n"
    "  Hint: replace or drop them; a null says 'none'.",
    cx.InvalidDataError,
)
def not_a_number() -> Exception:
    return errors.not_a_number("attribute", "value", "v", 2, 10, float("nan"), 4)


@text(
    "nps(score='s'): 1 of 10 answers is outside 0..10; first is 99, row 3.\n"
    "  Hint: drop them, or name codes that mean 'no answer' with missing=[99].",
    cx.InvalidDataError,
)
def out_of_scale() -> Exception:
    return errors.out_of_scale("nps", "s", 1, 10, (0, 10), 99, 3)


@text(
    "csat(score='s'): 2,000 of 10,000 answers are outside 1..5; first is -1, row 3.\n"
    "  Hint: drop them, or name codes that mean 'no answer' with missing=[-1].",
    cx.InvalidDataError,
)
def out_of_scale__several() -> Exception:
    return errors.out_of_scale("csat", "s", 2000, 10_000, (1, 5), -1, 3)


@text(
    "csat(score='s'): 2 of 10 answers are outside 1..5; first is 8, row 3.\n"
    "  Hint: say scale=(1, 10) if the scale is longer; drop them, or name codes that mean 'no answer' with "
    "missing=[8].",
    cx.InvalidDataError,
)
def out_of_scale__longer() -> Exception:
    return errors.out_of_scale("csat", "s", 2, 10, (1, 5), 8, 3, (8, 9))


@text(
    "scores(score='s'): 7 of 10 answers are outside 1..5; first is 0, row 0.\n"
    "  Hint: say scale=(0, 10) if the scale is longer; drop them, or name codes that mean 'no answer' with "
    "missing=[0].",
    cx.InvalidDataError,
)
def out_of_scale__both_ends() -> Exception:
    return errors.out_of_scale("scores", "s", 7, 10, (1, 5), 0, 0, (0, 9))


@text(
    "ces(score='s'): 1 of 10 answers is outside 1..7; first is 0, row 3.\n"
    "  Hint: say scale=(0, 7) if the scale is longer; drop them, or name codes that mean 'no answer' with "
    "missing=[0].",
    cx.InvalidDataError,
)
def out_of_scale__lower() -> Exception:
    return errors.out_of_scale("ces", "s", 1, 10, (1, 7), 0, 3, (0, 0))


@text(
    "nps(score='s'): 1 of 10 answers is not a whole number; first is 7.5, row 0.\n"
    "  Hint: an answer is a level of the scale; averages of answers cannot be counted.",
    cx.InvalidDataError,
)
def not_a_level() -> Exception:
    return errors.not_a_level("nps", "s", 1, 10, 7.5, 0)


@text(
    "nps(score='s'): 2 of 10 answers are not whole numbers; first is 7.5, row 0.\n"
    "  Hint: an answer is a level of the scale; averages of answers cannot be counted.",
    cx.InvalidDataError,
)
def not_a_level__several() -> Exception:
    return errors.not_a_level("nps", "s", 2, 10, 7.5, 0)


@text(
    "index(): 3,000,000,000 rows; at most 2,147,483,647 fit in one call.\n  Hint: split the log by user.",
    cx.InvalidDataError,
)
def too_many_rows() -> Exception:
    return errors.too_many_rows("index", 3_000_000_000)


@text(
    "nps(): cannot read a list.\n"
    "  Known: Polars DataFrame, Arrow stream\n"
    "  Hint: pass one of these, or anything that has __arrow_c_stream__.",
    cx.UnsupportedFrameError,
)
def unsupported_frame() -> Exception:
    return errors.unsupported_frame("nps", [1], ["Polars DataFrame", "Arrow stream"])


@text(
    "nps(): cannot read an EventIndex.\n  Hint: pass the frame.",
    cx.UnsupportedFrameError,
)
def not_a_frame() -> Exception:
    return errors.not_a_frame("nps", "an EventIndex", "pass the frame.")


@text(
    "nps(): the pandas DataFrame cannot be read: the column 'a' is object: mixed\n"
    "  Hint: cast or drop that column.",
    cx.UnsupportedFrameError,
)
def unreadable_frame() -> Exception:
    return errors.unreadable_frame("nps", "pandas DataFrame", "the column 'a' is object: mixed")


@text(
    "nps(): the relation's connection may not read Python objects, so it cannot take the answer.\n"
    "  Hint: SET python_enable_replacements and enable_external_access, or pass pl.DataFrame(relation).",
    cx.UnsupportedFrameError,
)
def closed_connection() -> Exception:
    return errors.closed_connection("nps")


@text(
    "sessionize(): user or time is required.\n  Hint: name the column.",
    cx.InvalidOptionError,
)
def missing_argument() -> Exception:
    return errors.missing_argument("sessionize", ["user", "time"], "name the column.")


@text(
    "sessionize(): user, time given beside an index, which has them already.\n"
    "  Hint: leave them out, or pass the frame.",
    cx.InvalidOptionError,
)
def not_with_index() -> Exception:
    return errors.not_with_index("sessionize", ["user", "time"])


@text(
    "sessionize(gap=30): a bare number has no unit.\n  Hint: write gap='30s' or gap='30m'.",
    cx.InvalidOptionError,
)
def bare_number() -> Exception:
    return errors.bare_number("sessionize", "gap", 30)


@text(
    "attribute(lookback='1800 '): a bare number has no unit.\n"
    "  Hint: write lookback='1800s' or lookback='30d'.",
    cx.InvalidOptionError,
)
def bare_number__text() -> Exception:
    return errors.bare_number("attribute", "lookback", "1800 ")


@text(
    "sessionize(gap='soon'): not a duration.\n"
    "  Hint: a number and a unit of w, d, h, m, s, ms, us, ns, such as '30m' or '1h30m'; or a timedelta.",
    cx.InvalidOptionError,
)
def bad_duration() -> Exception:
    return errors.bad_duration("sessionize", "gap", "soon")


@text(
    "attribute(lookback='1mo'): months, quarters and years have no fixed length.\n  Hint: write days: '30d'.",
    cx.InvalidOptionError,
)
def calendar_duration() -> Exception:
    return errors.calendar_duration("attribute", "lookback", "1mo")


@text(
    "sessionize(gap='0s'): must be longer than nothing.\n  Hint: such as '30m'.",
    cx.InvalidOptionError,
)
def not_positive() -> Exception:
    return errors.not_positive("sessionize", "gap", "0s")


@text(
    "attribute(model='last_tuch'): not one of the words.\n"
    "  Words: 'last_touch', 'linear'\n"
    "  Hint: did you mean 'last_touch'?",
    cx.InvalidOptionError,
)
def unknown_word() -> Exception:
    return errors.unknown_word("attribute", "model", "last_tuch", ["last_touch", "linear"])


@text(
    "attribute(model='last'): not one of the words.\n"
    "  Words: 'last_touch', 'linear'\n"
    "  Hint: did you mean 'last_touch'?",
    cx.InvalidOptionError,
)
def unknown_word__beginning() -> Exception:
    return errors.unknown_word("attribute", "model", "last", ["last_touch", "linear"])


@text(
    "attribute(model=3): not one of the words.\n"
    "  Words: 'last_touch', 'linear'\n"
    "  Hint: pass one of the words.",
    cx.InvalidOptionError,
)
def unknown_word__no_text() -> Exception:
    return errors.unknown_word("attribute", "model", 3, ["last_touch", "linear"])


@text(
    "nps(n_threads=0): a number of threads is 1 or more.\n  Hint: None means as Polars.",
    cx.InvalidOptionError,
)
def bad_option() -> Exception:
    problem = "a number of threads is 1 or more."
    return errors.bad_option("nps", "n_threads", 0, problem, "None means as Polars.")


@text("f(x='AB\\nCD'): wrong.", cx.InvalidOptionError)
def bad_option__no_hint() -> Exception:
    return errors.bad_option("f", "x", "AB\nCD", "wrong.", "")


@text(f"f(x=[{'0, ' * 19}0,…): wrong.\n  Hint: right.", cx.InvalidOptionError)
def bad_option__long() -> Exception:
    return errors.bad_option("f", "x", [0] * 1000, "wrong.", "right.")


@text(
    "attribute(model='mine'): it does not say what one customer changes, so there is no formula for its "
    "error.\n  Hint: say method='bootstrap'.",
    cx.InvalidOptionError,
)
def no_influence() -> Exception:
    return errors.no_influence("attribute", "mine")


@text(
    "stitch(): unstitch= is not a list of known ids.\n  Hint: write unstitch=['ann'].",
    cx.InvalidOptionError,
)
def bad_ids() -> Exception:
    return errors.bad_ids("stitch", "unstitch", "is not a list of known ids.", "write unstitch=['ann'].")


@text("nps(weight='w'): a weight is below 0.\n  Hint: drop it.", cx.InvalidDataError)
def bad_data() -> Exception:
    return errors.bad_data("nps", "weight", "w", "a weight is below 0.", "drop it.")


@text(
    "nps(): pyarrow is not installed.\n  Hint: pip install 'cxcore[pandas]'",
    cx.MissingDependencyError,
)
def missing_dependency() -> Exception:
    return errors.missing_dependency("nps", "pyarrow", "pandas")


@text(
    "nps(method='bca'): 1 of 3 groups has fewer than 15 answers outside the largest class.\n"
    "  Hint: method='bootstrap' gives an interval that holds there.",
    str,
)
def thin_support() -> str:
    return errors.thin_support("nps", "bca", 1, 3, 15)


@text(
    "nps(method='bca'): 1,200 of 3,000 groups have fewer than 15 answers outside the largest class.\n"
    "  Hint: method='bootstrap' gives an interval that holds there.",
    str,
)
def thin_support__several() -> str:
    return errors.thin_support("nps", "bca", 1200, 3000, 15)


@text(
    "nps(weight='w'): 1 weight is negative, of 2,000 rows; first is -0.5, row 1,234.\n"
    "  Hint: an answer that should not count weighs 0.",
    cx.InvalidDataError,
)
def negative_weight() -> Exception:
    return errors.negative_weight("nps", "w", 1, 2000, -0.5, 1234)


@text(
    "nps(weight='w'): 1 weight is nothing beside 1.0, of 2,000 rows; first is 1e-200, row 1,234.\n"
    "  Hint: give all weights in one unit.",
    cx.InvalidDataError,
)
def faint_weight() -> Exception:
    return errors.faint_weight("nps", "w", 1, 2000, 1e-200, 1234, 1.0)


@text(
    "nps(cluster='shop'): 2 of 1,500 clusters lie in two strata; first is 'n1', row 1,700.\n"
    "  Hint: if clusters of two strata share a name, say cluster=[stratum, cluster].",
    cx.InvalidDataError,
)
def two_strata() -> Exception:
    return errors.two_strata("nps", "shop", 2, 1500, "n1", 1700)


@text(
    "nps(method='bca'): takes every answer as independent and equally weighted.\n"
    "  Hint: under a design say one of 'bootstrap', 'linearized'.",
    cx.InvalidOptionError,
)
def plain_method() -> Exception:
    return errors.plain_method("nps", "method", "bca", ["bootstrap", "linearized"])


@text(
    "nps(method='cluster_t'): is for a survey design, and there is none.\n"
    "  Hint: say cluster=, weight= or stratum=, or leave method= out.",
    cx.InvalidOptionError,
)
def design_method() -> Exception:
    return errors.design_method("nps", "cluster_t")


@text(
    "compare(control='pilto'): no group of that name.\n"
    "  Groups: 'pilot', 'rest', None\n  Hint: did you mean 'pilot'?",
    cx.InvalidOptionError,
)
def unknown_control() -> Exception:
    return errors.unknown_control("compare", "pilto", ["pilot", "rest", None])


@text(
    "compare(control='1'): no group of that name.\n"
    f"  Groups: {', '.join(map(str, range(20)))}, … (5 more)\n  Hint: the groups are of another type: 1.",
    cx.InvalidOptionError,
)
def unknown_control__of_another_type() -> Exception:
    return errors.unknown_control("compare", "1", list(range(25)))


@text(
    "compare(control='zzz'): no group of that name.\n"
    "  Groups: 'pilot', 'rest'\n  Hint: name one of the groups.",
    cx.InvalidOptionError,
)
def unknown_control__far_off() -> Exception:
    return errors.unknown_control("compare", "zzz", ["pilot", "rest"])


@text(
    "compare(group='arm'): every row is of the control group 'old', so there is nothing to compare.\n"
    "  Hint: keep the other groups in the frame.",
    cx.InvalidDataError,
)
def control_alone() -> Exception:
    return errors.control_alone("compare", "arm", "old")


@text(
    "ScoreState.__sub__(): 1 count would be below zero, the first in group {'plan': 'pro'}.\n"
    "  Hint: take away only what was added before.",
    cx.InvalidDataError,
)
def counts_below_zero() -> Exception:
    return errors.counts_below_zero("ScoreState.__sub__", 1, {"plan": "pro"})


@text(
    "nps(): 1 of 2,000 answers is not a whole number from 0 to 10.\n"
    "  Hint: drop them, or make them null, which says 'no answer'.",
    cx.InvalidDataError,
)
def answers_off_scale() -> Exception:
    return errors.answers_off_scale("nps", 1, 2000, (0, 10))


@text(
    "nps(): 2 of 10 answers are not whole numbers from 1 to 5.\n"
    "  Hint: drop them, or make them null, which says 'no answer'.",
    cx.InvalidDataError,
)
def answers_off_scale__several() -> Exception:
    return errors.answers_off_scale("nps", 2, 10, (1, 5))


@text(
    "cx.sessionize(time_col='ts'): 2 of 1,000 rows have no time.\n"
    "  Hint: drop them: WHERE … in a CTE or a view.",
    cx.InvalidDataError,
)
def bad_rows() -> Exception:
    return errors.bad_rows("cx.sessionize", "time_col", "ts", "have no time", 2, 1000)


@text(
    "register(schema='cx'): the connection has a database of that name.\n"
    "  Hint: choose another: schema='cxcore'.",
    cx.InvalidOptionError,
)
def schema_taken() -> Exception:
    return errors.schema_taken("register", "cx", "a database")


@text(
    "SessionStream(allowed_lateness='-5m'): must not be less than nothing.\n  Hint: such as '10m' or '0s'.",
    cx.InvalidOptionError,
)
def negative() -> Exception:
    return errors.negative("SessionStream", "allowed_lateness", "-5m")


@text(
    "SessionStream.load(path='a.parquet'): is no file that SessionStream.save wrote.\n"
    "  Hint: name one, or start a new stream.",
    cx.InvalidDataError,
)
def bad_file() -> Exception:
    problem = "is no file that SessionStream.save wrote."
    hint = "name one, or start a new stream."
    return errors.bad_file("SessionStream.load", "a.parquet", problem, hint)


@text(
    "sessionize(user='id'): no.\n  Rows are counted from row 3,000 of the log, where these users begin.",
    cx.InvalidDataError,
)
def from_row() -> Exception:
    return errors.from_row(errors.InvalidDataError("sessionize(user='id'): no."), 3_000)


@text(
    "sessionize(user='id'): sorted_by_user=True, and the user of row 5 belongs before a user above it.\n"
    "  Hint: sort by user (ascending; text by its bytes, under no collation), or say "
    "spill='folder' instead.",
    cx.InvalidDataError,
)
def not_by_user() -> Exception:
    return errors.not_by_user("sessionize", ["id"], 5, returns=False)


@text(
    "sessions(user=['shop', 'id']): sorted_by_user=True, and rows without a user part row 5 from its user's "
    "rows above.\n  Hint: sort by user (ascending; text by its bytes, under no collation), or say "
    "spill='folder' instead.",
    cx.InvalidDataError,
)
def not_by_user__returns() -> Exception:
    return errors.not_by_user("sessions", ["shop", "id"], 5, returns=True)


@text("parse it, for example pl.col('at').str.to_datetime().", str)
def to_times() -> str:
    return errors.to_times("at", "text")


@text(
    "session_number(): takes dates or datetimes, and the column 'ts' holds numbers.\n"
    "  Hint: say their unit, for example pl.from_epoch('ts', time_unit='s').",
    cx.InvalidDataError,
)
def no_times() -> Exception:
    return errors.no_times("session_number", "ts", "numbers")


@text(
    "nps(by='plan'): a column of Spark's; names and Polars expressions are taken.\n"
    "  Hint: such as by=pl.col('plan'), also of a Spark DataFrame.",
    cx.InvalidOptionError,
)
def spark_column() -> Exception:
    return errors.spark_column("nps", "by", "plan")


@text(
    "sessionize(spill='parts'): only a LazyFrame can be larger than memory.\n"
    "  Hint: pass pl.scan_parquet(…), or leave spill= out.",
    cx.InvalidOptionError,
)
def only_lazy() -> Exception:
    return errors.only_lazy("sessionize", "spill", "parts")


@text(
    "duckdb.register(): DuckDB 1.5.6 is too old; 2.0 or later is needed.\n"
    "  Hint: pip install --upgrade 'cxcore[duckdb]'",
    cx.MissingDependencyError,
)
def old_dependency() -> Exception:
    return errors.old_dependency("duckdb.register", "DuckDB 1.5.6", "2.0", "duckdb")


@text(
    "duckdb-extension(): the library of DuckDB's functions is not built for this machine (linux s390x).\n"
    "  Hint: register(con) works everywhere.",
    cx.MissingDependencyError,
)
def no_duckdb_extension() -> Exception:
    return errors.no_duckdb_extension("linux s390x")


@pytest.mark.parametrize(("make", "kind", "expected"), TEXTS.values(), ids=TEXTS)
def test_text_whole(make: Callable[[], object], kind: type[object], expected: str) -> None:
    error = make()
    assert type(error) is kind
    assert str(error) == expected


def functions() -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isfunction(value) and value.__module__ == errors.__name__ and not name.startswith("_")
    }


def test_every_text_is_tested() -> None:
    assert {name.partition("__")[0] for name in TEXTS} == set(functions())


def test_not_built_says_how_to_build() -> None:
    assert errors.NOT_BUILT == (
        "cxcore's compiled core is not built for this Python.\n"
        "  Hint: install a wheel, or build it from the source folder: pip install ."
    )


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (cx.ColumnNotFoundError, KeyError),
        (cx.InvalidOptionError, ValueError),
        (cx.InvalidDataError, ValueError),
        (cx.UnsupportedFrameError, TypeError),
        (cx.MissingDependencyError, ImportError),
    ],
)
def test_an_error_is_ours_and_the_one_python_users_catch(
    error: type[Exception], also: type[Exception]
) -> None:
    assert error.__mro__[1] is cx.CxError
    assert issubclass(error, also)
    assert str(error("two\nlines")) == "two\nlines"  # not KeyError's repr
    assert str(error()) == ""
    assert str(pickle.loads(pickle.dumps(error("two\nlines")))) == "two\nlines"


def test_warnings_are_shown_where_python_shows_their_like() -> None:
    assert issubclass(cx.DegenerateDataWarning, UserWarning)
    assert issubclass(cx.CxDeprecationWarning, DeprecationWarning)


def test_every_exception_is_public() -> None:
    ours = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, (Exception, Warning))
        and value.__module__ == errors.__name__
    }
    assert ours == set(errors.__all__)
    assert ours <= set(cx.__all__)
