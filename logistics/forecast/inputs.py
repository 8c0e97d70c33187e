"""Sales, promotions, prices, signals and items of one unit → a Panel: one row per series.

Knows tables and arrays; knows nothing of models, Ray or storage. Nothing dated on or after the run
date is used except what is known ahead: promotions, list prices and signals.
"""

import zlib
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray


from logistics.forecast.panel import FOREVER, NUM_CODES, Array, Panel

COVARIATES = ("discount", "log_price")
CODES = ("category", "department")


def panel(
    sales: pl.DataFrame,
    promotions: pl.DataFrame,
    prices: pl.DataFrame,
    signals: pl.DataFrame,
    items: pl.DataFrame,
    run_date: date,
    horizon_days: int,
    context_days: int,
) -> Panel:
    """The panel of one DC's checked tables.

    A series is a SKU with a sales row before run_date; a day without a row after its first one had
    no sale. The history is as long as the longest series, context_days at most.
    """
    past = sales.filter(pl.col("date") < run_date).sort("sku_id", "date")
    oldest = past["date"].min()
    t = min((run_date - oldest).days, context_days) if isinstance(oldest, date) else 1
    first = run_date - timedelta(days=t)
    skus = past["sku_id"].unique().sort()
    code = {sku: i for i, sku in enumerate(skus)}
    launched = past.group_by("sku_id").agg(pl.col("date").min()).sort("sku_id")["date"]
    age = np.array([(run_date - day).days for day in launched], np.float32)
    seen = past.filter(pl.col("date") >= first)
    units, in_stock = _sales_grids(seen, code, age, first, t)
    here = pl.col("dc_id").is_null() | pl.col("dc_id").is_in(past["dc_id"].unique().to_list())
    listed = prices.filter(here, pl.col("sku_id").is_in(skus.to_list()))
    promoted = promotions.filter(here, pl.col("sku_id").is_in(skus.to_list()))
    of = items.join(skus.to_frame(), on="sku_id").sort("sku_id")
    total = t + horizon_days
    names = tuple(signals["name"].unique().sort())
    values = _signal_grid(signals, names, first, total)
    discount = _promotion_grid(promoted, code, first, total)
    log_price = _price_grid(listed, seen, code, first, total)
    is_listed = skus.is_in(listed["sku_id"].implode()).to_numpy()
    here_ids = tuple(past["dc_id"].unique().sort())
    return Panel(
        run_date=run_date,
        period_days=1,
        horizon=horizon_days,
        site_ids=here_ids or ("",),
        sku_ids=tuple(skus),
        site=np.zeros(len(code), np.int64),
        units=units,
        in_stock=in_stock,
        covariates=np.stack([discount, log_price], axis=2),
        covariate_names=COVARIATES,
        # A list price is known ahead; what was paid is known only afterwards.
        known_ahead=np.stack([np.ones_like(is_listed), is_listed], axis=1),
        signals=values[None],
        signal_names=names,
        lead=_lead_days(values, t),
        codes=np.stack([_codes(of, name, code) for name in CODES], axis=1),
        code_names=CODES,
        attributes=np.zeros((len(code), 0), np.float32),
        attribute_names=(),
        age=age,
        left=_days_left(of, code, run_date),
    )


def _sales_grids(
    seen: pl.DataFrame, code: dict[str, int], age: Array, first: date, t: int
) -> tuple[Array, Array]:
    rows, days = _places(seen, code, first)
    units = np.zeros((len(code), t), np.float32)
    in_stock = np.ones((len(code), t), np.float32)
    units[rows, days] = seen["units"].to_numpy()
    in_stock[rows, days] = seen["in_stock"].fill_null(1.0).to_numpy()
    units[np.arange(t)[None, :] < (t - age)[:, None]] = np.nan
    return units, in_stock


def _places(
    rows: pl.DataFrame, code: dict[str, int], first: date
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where dated rows of SKUs go in a grid: their series and their day."""
    series = rows["sku_id"].replace_strict(code, return_dtype=pl.Int64).to_numpy()
    return series.astype(np.int64), (rows["date"] - first).dt.total_days().to_numpy().astype(
        np.int64
    )


def _promotion_grid(
    promotions: pl.DataFrame, code: dict[str, int], first: date, total: int
) -> Array:
    """The deepest discount of each day."""
    last = first + timedelta(days=total - 1)
    days = promotions.select(
        "sku_id",
        "discount",
        date=pl.date_ranges(
            pl.col("start").clip(lower_bound=first), pl.col("end").clip(upper_bound=last)
        ),
    ).explode("date", empty_as_null=False, keep_nulls=False)
    grid = np.zeros((len(code), total), np.float32)
    np.maximum.at(grid, _places(days, code, first), days["discount"].to_numpy().astype(np.float32))
    return grid


def _price_grid(
    listed: pl.DataFrame, seen: pl.DataFrame, code: dict[str, int], first: date, total: int
) -> Array:
    """Log list price where the prices table knows the SKU, else the log of the price last paid.

    Prices are carried on until the next one. A DC's own list price overrides the general one.
    """
    paid = seen.filter(pl.col("price").is_not_null())
    grid = np.full((len(code), total), np.nan, np.float32)
    grid[_places(paid, code, first)] = np.log(paid["price"].to_numpy())
    grid[[code[sku] for sku in listed["sku_id"].unique()]] = np.nan
    for own in (False, True):
        rows = listed.filter(pl.col("dc_id").is_not_null() == own).sort("sku_id", "start")
        # Of the prices that began before the first day only the last still holds.
        rows = rows.with_columns(date=pl.col("start").clip(lower_bound=first)).unique(
            ["sku_id", "date"], keep="last", maintain_order=True
        )
        rows = rows.filter(pl.col("date") < first + timedelta(days=total))
        series, days = _places(rows, code, first)
        held = np.full_like(grid, np.nan)
        held[series, days] = np.log(rows["price"].to_numpy())
        last = _last_known(held)
        grid = np.where(last < 0, grid, np.take_along_axis(held, np.maximum(last, 0), axis=1))
    return _fill_forward(grid)


def _last_known(grid: Array) -> NDArray[np.int64]:
    """Column of the latest known value at or before each, -1 where there is none."""
    columns = np.where(np.isnan(grid), -1, np.arange(grid.shape[1]))
    return np.asarray(np.maximum.accumulate(columns, axis=1))


def _fill_forward(grid: Array) -> Array:
    """Unknown values take the last known one, before the first one the first."""
    last, first = _last_known(grid), (~np.isnan(grid)).argmax(axis=1)
    source = np.where(last < 0, first[:, None], last)
    return np.asarray(np.take_along_axis(grid, source, axis=1), np.float32)


def _signal_grid(signals: pl.DataFrame, names: tuple[str, ...], first: date, total: int) -> Array:
    grid = np.full((total, len(names)), np.nan, np.float32)
    column = {name: i for i, name in enumerate(names)}
    here = signals.filter(pl.col("date").is_between(first, first + timedelta(days=total - 1)))
    days = (here["date"] - first).dt.total_days().to_numpy().astype(np.int64)
    which = np.array([column[name] for name in here["name"]], np.int64)
    grid[days, which] = here["value"].to_numpy()
    return grid


def _lead_days(values: Array, t: int) -> tuple[int, ...]:
    ahead = ~np.isnan(values[t:])
    days = np.arange(1, len(ahead) + 1)[:, None]
    return tuple(int(lead) for lead in (ahead * days).max(axis=0, initial=0))


def _codes(of: pl.DataFrame, column: str, code: dict[str, int]) -> NDArray[np.int64]:
    """Names as numbers that stay the same from night to night, 0 where there is none (n,)."""
    named = of.filter(pl.col(column).is_not_null())
    numbers = {name: 1 + zlib.crc32(name.encode()) % (NUM_CODES - 1) for name in named[column]}
    found = np.zeros(len(code), np.int64)
    found[[code[sku] for sku in named["sku_id"]]] = [numbers[name] for name in named[column]]
    return found


def _days_left(of: pl.DataFrame, code: dict[str, int], run_date: date) -> Array:
    ending = of.filter(pl.col("end_of_life").is_not_null())
    left = np.full(len(code), FOREVER, np.float32)
    left[[code[sku] for sku in ending["sku_id"]]] = [
        (end - run_date).days for end in ending["end_of_life"]
    ]
    return left
