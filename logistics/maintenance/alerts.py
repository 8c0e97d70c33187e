"""Which assets a manager hears of tonight, and what became of earlier alerts. Knows polars only."""

from datetime import date

import polars as pl

FOLLOWED_DAYS = 30  # an alert is judged by what happens so soon
OF_RISKS = ("site_id", "asset_id", "workshop_id", "component", "p_fail_7d", "p_fail_30d")
ENDS = {"failure": "failed", "service": "serviced"}  # kind of event → outcome of an alert


def ranked(
    risks: pl.DataFrame,
    assets: pl.DataFrame,
    max_alerts: int,
    cost_of_failure: float,
    cost_of_service: float,
) -> pl.DataFrame:
    """At most max_alerts rows of `alerts`, with their site, those first that cost most to leave.

    The cost of leaving an asset alone for a week is its chance to fail times what a failure costs;
    no alert where the month's is below that of a service. The costs given are for assets that the
    table has none for.
    """
    costs = {"cost_of_failure": cost_of_failure, "cost_of_service": cost_of_service}
    absent = [pl.lit(None, pl.Float64).alias(c) for c in costs if c not in assets.columns]
    known = assets.with_columns(absent).select(
        "asset_id", *(pl.col(c).fill_null(v) for c, v in costs.items())
    )
    priced = risks.join(known, on="asset_id", how="left").with_columns(
        expected_cost=pl.col("p_fail_7d") * pl.col("cost_of_failure")
    )
    worth = pl.col("p_fail_30d") * pl.col("cost_of_failure") > pl.col("cost_of_service")
    first = priced.filter(worth).sort("expected_cost", "asset_id", descending=[True, False])
    return first.head(max_alerts).select(
        "site_id",
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("rank"),
        "asset_id",
        "workshop_id",
        "component",
        "p_fail_7d",
        "expected_cost",
    )


def became(alerts: pl.DataFrame, events: pl.DataFrame, night: date) -> pl.DataFrame:
    """`alert_outcomes` rows: what events told, as `night` began, of the alerts of nights before.

    alerts: rows of `alerts` with their run_date. failed or serviced: what came first within
    FOLLOWED_DAYS; open: nothing yet; quiet: nothing in all that time.
    """
    ends = events.filter(pl.col("kind").is_in(list(ENDS))).select(
        "asset_id",
        pl.col("at").alias("ended_at"),
        pl.col("kind").replace_strict(ENDS, return_dtype=pl.String).alias("ended"),
        pl.col("component").alias("ended_component"),
    )
    given = alerts.select(
        "asset_id",
        pl.col("run_date").alias("night"),
        "component",
        "p_fail_7d",
        pl.col("run_date").cast(pl.Datetime("us")).alias("at"),
    )
    found = given.sort("at").join_asof(
        ends.sort("ended_at"),
        left_on="at",
        right_on="ended_at",
        by="asset_id",
        strategy="forward",
        tolerance=f"{FOLLOWED_DAYS}d",
        check_sortedness=False,
    )
    followed = (pl.lit(night) - pl.col("night")).dt.total_days()
    silence = pl.when(followed < FOLLOWED_DAYS).then(pl.lit("open")).otherwise(pl.lit("quiet"))
    return found.select(
        "asset_id",
        "night",
        "component",
        "p_fail_7d",
        pl.col("ended").fill_null(silence).alias("outcome"),
        "ended_component",
        ((pl.col("ended_at") - pl.col("at")).dt.total_seconds() / 86400).alias("lead_days"),
    ).sort("asset_id", "night")


def figures(outcomes: pl.DataFrame) -> dict[str, float]:
    """Sums that add up over sites: precision is alerts_failed over that plus alerts_quiet."""
    failed = outcomes.filter(outcome="failed")
    return {
        "alerts_failed": float(failed.height),
        "alerts_quiet": float(outcomes.filter(outcome="quiet").height),
        "alerts_lead_days": float(failed["lead_days"].sum()),
    }
