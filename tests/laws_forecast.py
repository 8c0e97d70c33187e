"""What must hold of a night's forecasts, judged from the plan's and the lake's tables alone."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import polars as pl

from logistics import plan
from logistics.config import Config

LEVELS = [f"q{10 * i}" for i in range(1, 10)]
Inputs = dict[str, list[dict]]


def offences(config: Config, inputs: Inputs) -> Iterator[str]:
    forecasts = plan.read_plan(config.plan, "forecasts", config.date)
    totals = plan.read_plan(config.plan, "forecast_totals", config.date)
    assert forecasts is not None
    assert totals is not None
    yield from _quantiles("forecasts", forecasts)
    yield from _quantiles("forecast_totals", totals)
    yield from _totals(config, forecasts, totals)
    yield from _reasons(config, totals)
    yield from _reorder_points(config, totals)
    yield from levels(config, forecasts, totals)
    yield from _overrides(config, forecasts, inputs["forecast_overrides"])


def _reasons(config: Config, totals: pl.DataFrame) -> Iterator[str]:
    parts = plan.read_plan(config.plan, "forecast_parts", config.date)
    if parts is None:
        return
    causes = ("base", "season", "promotion", "price", "signal", "planner")
    both = parts.join(
        totals.select("dc_id", "sku_id", "horizon_days", total="mean"),
        left_on=["dc_id", "sku_id", "days"],
        right_on=["dc_id", "sku_id", "horizon_days"],
    )
    added = sum((both[cause] for cause in causes[1:]), both[causes[0]])
    if both.height != parts.height:
        yield "forecast_parts: of other spans or SKUs than forecast_totals"
    if ((added - both["total"]).abs() > 1e-3 * both["total"] + 1e-3).any():
        yield "forecast_parts: they do not add up to the forecast"


def _reorder_points(config: Config, totals: pl.DataFrame) -> Iterator[str]:
    points = plan.read_plan(config.plan, "reorder_points", config.date)
    assert points is not None
    added = points["lead_time_demand"] + points["safety_stock"]
    if ((points["reorder_point"] - added).abs() > 1e-3 * added + 1e-3).any():
        yield "reorder_points: not the demand of the lead time and its safety stock"
    if (points["safety_stock"] < 0).any() or points.height != totals["sku_id"].len() / 3:
        yield "reorder_points: not one of every SKU, or a stock below 0"


def levels(config: Config, forecasts: pl.DataFrame, totals: pl.DataFrame) -> Iterator[str]:
    """Every level is the sum of its SKUs, and its interval no wider than the sum of theirs."""
    found = plan.read_plan(config.plan, "forecast_levels", config.date)
    assert found is not None
    yield from _quantiles("forecast_levels", found)
    days = forecasts["date"].unique().sort().diff().drop_nulls().dt.total_days().unique()
    spans = pl.concat(
        [
            forecasts.select(
                "dc_id", "sku_id", "date", "mean", "q10", "q90", days=pl.lit(days[0], pl.Int64)
            ),
            totals.select(
                "dc_id",
                "sku_id",
                "mean",
                "q10",
                "q90",
                date=pl.lit(config.date),
                days="horizon_days",
            ).select("dc_id", "sku_id", "date", "mean", "q10", "q90", "days"),
        ]
    ).with_columns(pl.col("mean", "q10", "q90").cast(pl.Float64))
    for level, by in (("company", []), ("dc", ["dc_id"])):
        own = spans.group_by(*by, "date", "days").agg(
            pl.col("mean").sum().alias("sum"), width=(pl.col("q90") - pl.col("q10")).sum()
        )
        both = found.filter(level=level).join(own, on=[*by, "date", "days"], how="full")
        if both["sum"].null_count() or both["mean"].null_count():
            yield f"forecast_levels: {level} lacks a day, or has one that no SKU has"
        off = (both["mean"] - both["sum"]).abs() > 1e-4 * both["sum"] + 1e-2
        if off.any():
            yield f"forecast_levels: {off.sum()} of level {level} are not the sum of their SKUs"
    of_dc = (
        found.filter(level="category")
        .group_by("dc_id", "date", "days")
        .agg(pl.col("mean").sum().alias("sum"), pl.col("series").sum().alias("skus"))
    )
    both = found.filter(level="dc").join(of_dc, on=["dc_id", "date", "days"], how="left")
    if ((both["mean"] - both["sum"]).abs() > 1e-6 * both["sum"] + 1e-6).any():
        yield "forecast_levels: the categories of a DC do not add up to it"
    if (both["series"] != both["skus"]).any():
        yield "forecast_levels: a SKU is in no category or in two"


def _quantiles(table: str, rows: pl.DataFrame) -> Iterator[str]:
    ordered = pl.all_horizontal(pl.col(low) <= pl.col(high) for low, high in pairwise(LEVELS))
    wrong = rows.filter(~ordered | (pl.col("q10") < 0) | (pl.col("mean") < 0))
    if wrong.height:
        yield f"{table}: {wrong.height} rows with quantiles out of order or below 0"
    numbers = rows.select(pl.any_horizontal(pl.col("mean", *LEVELS).is_nan().any()))
    if numbers.item():
        yield f"{table}: not a number"


def _totals(config: Config, forecasts: pl.DataFrame, totals: pl.DataFrame) -> Iterator[str]:
    for horizon in totals["horizon_days"].unique().sort():
        until = config.date + timedelta(days=horizon)
        sums = forecasts.filter(pl.col("date") < until).group_by("dc_id", "sku_id")
        both = totals.filter(horizon_days=horizon).join(
            sums.agg(pl.col("mean").cast(pl.Float64).sum().alias("sum")), on=["dc_id", "sku_id"]
        )
        off = (both["mean"] - both["sum"]).abs() > 1e-3 * both["sum"] + 1e-3
        if off.any():
            yield f"forecast_totals: {off.sum()} of {horizon} days are not the sum of their days"
    longer = totals.sort("dc_id", "sku_id", "horizon_days").select(
        pl.col(LEVELS) - pl.col(LEVELS).shift().over("dc_id", "sku_id")
    )
    if (longer.min_horizontal() < -1e-4).any():
        yield "forecast_totals: more days have less demand"


def _overrides(config: Config, forecasts: pl.DataFrame, rows: list[dict]) -> Iterator[str]:
    """Where an override is, the final forecast is what it makes of the model's; nowhere else is
    anything kept beside it."""
    kept = plan.read_plan(config.plan, "forecast_overridden", config.date)
    told = (
        {} if kept is None else {(k["dc_id"], k["sku_id"], k["date"]): k for k in kept.to_dicts()}
    )
    expected = set()
    mine = forecasts.filter(pl.col("sku_id").is_in([row["sku_id"] for row in rows]))
    for day in mine.to_dicts():
        key = (day["dc_id"], day["sku_id"], day["date"])
        here = [
            row
            for row in rows
            if row["sku_id"] == day["sku_id"]
            and row["dc_id"] in (None, day["dc_id"])
            and row["start"] <= day["date"] <= row["end"]
        ]
        if not here:
            continue
        expected.add(key)
        if key not in told:
            yield f"forecast_overridden: nothing was kept of {key}"
            continue
        value = told[key]["statistical_mean"]
        placed = [row for row in here if row["kind"] == "set"]
        if placed:
            value = max(placed, key=lambda row: (row["dc_id"] is not None, row["start"]))["value"]
        for row in here:
            value *= row["value"] if row["kind"] == "multiply" else 1.0
        value = max(value + sum(row["value"] for row in here if row["kind"] == "add"), 0.0)
        if abs(value - day["mean"]) > 1e-3 + 1e-4 * value:
            yield f"forecasts: {key} is {day['mean']}, the overrides make it {value}"
    if expected != set(told):
        yield f"forecast_overridden: {len(set(told) - expected)} rows without an override"
