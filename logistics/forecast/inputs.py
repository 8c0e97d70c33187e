"""Sales, promotions, prices, signals and items of one unit → a Panel: one row per series.

Knows tables and arrays; knows nothing of models, Ray or storage. Nothing dated on or after the run
date is used except what is known ahead: promotions, list prices and signals.
"""

import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.codes import encode
from logistics.forecast.feed import missing
from logistics.forecast.panel import FOREVER, NUM_CODES, Array, Panel

COVARIATES = ("discount", "log_price")
CODES = ("category", "department")

Ints: TypeAlias = NDArray[np.int64]  # or of int32
STEP = 2**16  # rows: where so many go in a grid stays in the cache


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
    no sale, but for the days that the DC's feed stood still: they are not known of any series. The
    history is as long as the longest series, context_days at most.
    """
    past = _before(sales, run_date)
    names, series = encode(past["sku_id"])
    days = _days(past["date"], run_date)  # from the run date, so below 0
    t = int(min(-days.min(initial=-1), context_days))
    age = _age(series, days, len(names))
    grid = _Grid(names, run_date - timedelta(days=t), t, t + horizon_days)
    rows = _Rows(series, days, t)
    sites = tuple(past.head(1)["dc_id"])
    here = pl.col("dc_id").is_null() | pl.col("dc_id").is_in(sites)
    listed = prices.filter(here, pl.col("sku_id").is_in(names.implode()))
    promoted = promotions.filter(here, pl.col("sku_id").is_in(names.implode()))
    # A plane of each: made where it stays, and read as such.
    discounts, log_prices = planes = np.empty((len(COVARIATES), len(names), grid.total), np.float32)
    _set_discounts(discounts, promoted, grid)
    _set_log_prices(log_prices, listed, past["price"], rows, grid)
    of = names.to_frame("sku_id").join(items, on="sku_id", how="left", maintain_order="left")
    signal_names = tuple(signals["name"].unique().sort())
    values = _signal_grid(signals, signal_names, grid)
    known = names.is_in(listed["sku_id"].unique().implode()).to_numpy()
    return Panel(
        run_date=run_date,
        period_days=1,
        horizon=horizon_days,
        site_ids=sites or ("",),
        sku_ids=tuple(names),
        site=np.zeros(len(names), np.int64),
        units=_units(past["units"], rows, age, missing(days, t), grid),
        in_stock=_in_stock(past["in_stock"], rows, grid),
        covariates=np.moveaxis(planes, 0, -1),
        covariate_names=COVARIATES,
        # A list price is known ahead; what was paid is known only afterwards.
        known_ahead=np.stack([np.ones(len(names), bool), known], axis=1),
        signals=values[None],
        signal_names=signal_names,
        lead=_lead(values, t),
        codes=np.stack([_codes(of[name]) for name in CODES], axis=1),
        code_names=CODES,
        attributes=np.zeros((len(names), 0), np.float32),
        attribute_names=(),
        age=age,
        left=_left(of["end_of_life"], run_date),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where dated rows of series go: names (n,) in order; t days from first on, then the future."""

    names: pl.Series
    first: date
    t: int
    total: int

    def places(self, rows: pl.DataFrame) -> tuple[Ints, Ints]:
        """Series and day of rows with sku_id (one of the names) and date."""
        series = rows["sku_id"].cast(pl.Enum(self.names)).to_physical().to_numpy()
        return series.astype(np.int64), _days(rows["date"], self.first)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of sales: whose they are and of which day, from the run date, each (m,)."""

    series: Ints
    days: Ints
    t: int

    def place(self, values: pl.Series, grid: Array, null: float = np.nan) -> None:
        """Put values (m,) of the last t days into a grid of the series (n, t)."""
        flat = grid.reshape(-1)
        for start in range(0, len(values), STEP):
            part = slice(start, start + STEP)
            cells = self.series[part].astype(np.int64) * self.t + (self.days[part] + self.t)
            found = values[part].fill_null(null).to_numpy()
            seen = self.days[part] >= -self.t
            flat[cells if seen.all() else cells[seen]] = found if seen.all() else found[seen]


def _before(sales: pl.DataFrame, run_date: date) -> pl.DataFrame:
    """The sales of days before; on most nights that is all of them."""
    last = sales["date"].max()
    known = not isinstance(last, date) or last < run_date
    return sales if known else sales.filter(pl.col("date") < run_date)


def _days(dates: pl.Series, first: date) -> Ints:
    """Days since the first one, as whole numbers (n,)."""
    since = first.toordinal() - date(1970, 1, 1).toordinal()
    return np.asarray(np.subtract(dates.to_physical().to_numpy(), since, dtype=np.int32))


def _age(series: Ints, days: Ints, n: int) -> Array:
    """Days from the first sale on (n,)."""
    first = np.zeros(n, np.int64)
    if len(series):  # the rows of one series mostly stand together
        begins = np.concatenate([[0], np.flatnonzero(series[1:] != series[:-1]) + 1])
        np.minimum.at(first, series[begins], np.minimum.reduceat(days, begins))
    return (-first).astype(np.float32)


def _units(
    sold: pl.Series, rows: _Rows, age: Array, silent: NDArray[np.bool_], grid: _Grid
) -> Array:
    units = np.zeros((len(age), grid.t), np.float32)
    rows.place(sold, units)
    young = np.flatnonzero(age < grid.t)
    units[young] = np.where(
        np.arange(grid.t) < (grid.t - age[young])[:, None], np.nan, units[young]
    )
    if silent.any():
        units[:, silent] = np.nan
    return units


def _in_stock(share: pl.Series, rows: _Rows, grid: _Grid) -> Array:
    in_stock = np.ones((len(grid.names), grid.t), np.float32)
    if share.null_count() < len(share):
        rows.place(share, in_stock, null=1.0)
    return in_stock


def _set_discounts(found: Array, promotions: pl.DataFrame, grid: _Grid) -> None:
    """The deepest discount of each day (n, t + h)."""
    promotions = promotions.sort("discount")  # of two on one cell the later one stays
    series, start = grid.places(promotions.select("sku_id", date="start"))
    end = np.minimum(_days(promotions["end"], grid.first), grid.total - 1)
    start = np.maximum(start, 0)
    lengths = np.maximum(end - start + 1, 0)
    begins = np.cumsum(lengths) - lengths
    cells = np.repeat(series * grid.total + start - begins, lengths) + np.arange(lengths.sum())
    found.fill(0)
    deepest = np.repeat(promotions["discount"].to_numpy().astype(np.float32), lengths)
    found.reshape(-1)[cells] = deepest


def _set_log_prices(
    grids: Array, listed: pl.DataFrame, paid: pl.Series, rows: _Rows, grid: _Grid
) -> None:
    """Log list price where the prices table knows the SKU, else the log of the price last paid.

    Prices are carried on until the next one. A DC's own list price overrides the general one.
    """
    n = len(grid.names)
    general, of_general = _held(listed.filter(pl.col("dc_id").is_null()), grid)
    own, of_own = _held(listed.filter(pl.col("dc_id").is_not_null()), grid)
    known = np.isin(np.arange(n), [*of_general, *of_own])
    grids.fill(np.nan)
    grids[of_general] = general
    grids[of_own] = np.where(np.isnan(own), grids[of_own], own)
    unlisted = np.flatnonzero(~known)
    if len(unlisted) and paid.null_count() < len(paid):
        log_paid = np.full((n, grid.t), np.nan, np.float32)
        rows.place(paid.log(), log_paid)
        grids[unlisted, : grid.t] = log_paid[unlisted]
    gaps = np.flatnonzero(np.isnan(grids[:, 0]) | np.isnan(grids[:, -1]) | ~known)
    grids[gaps] = _fill_forward(grids[gaps])


def _held(listed: pl.DataFrame, grid: _Grid) -> tuple[Array, Ints]:
    """Log prices from their starts on (k, t + h), NaN before, and the series they are of (k,)."""
    # Of the prices that began before the first day only the last still holds.
    rows = listed.sort("sku_id", "start").with_columns(
        date=pl.col("start").clip(lower_bound=grid.first)
    )
    rows = rows.unique(["sku_id", "date"], keep="last", maintain_order=True)
    rows = rows.filter(pl.col("date") < grid.first + timedelta(days=grid.total))
    series, days = grid.places(rows)
    which, first, row = np.unique(series, return_index=True, return_inverse=True)
    # Each price holds for a stretch of cells; another one leads up to the first price of a series.
    prices = np.insert(np.log(rows["price"].to_numpy()).astype(np.float32), first, np.nan)
    begins = np.insert(row * grid.total + days, first, np.arange(len(which)) * grid.total)
    lengths = np.diff(begins, append=len(which) * grid.total)
    return np.repeat(prices, lengths).reshape(-1, grid.total), which


def _fill_forward(grid: Array) -> Array:
    """Unknown values take the last known one, before the first one the first."""
    columns = np.where(np.isnan(grid), -1, np.arange(grid.shape[1]))
    last = np.maximum.accumulate(columns, axis=1)
    first = (~np.isnan(grid)).argmax(axis=1)
    source = np.where(last < 0, first[:, None], last)
    return np.asarray(np.take_along_axis(grid, source, axis=1), np.float32)


def _signal_grid(signals: pl.DataFrame, names: tuple[str, ...], grid: _Grid) -> Array:
    values = np.full((grid.total, len(names)), np.nan, np.float32)
    days = _days(signals["date"], grid.first)
    which = signals["name"].cast(pl.Enum(names)).to_physical().to_numpy()
    here = (days >= 0) & (days < grid.total)
    values[days[here], which[here]] = signals["value"].to_numpy()[here]
    return values


def _lead(values: Array, t: int) -> tuple[int, ...]:
    ahead = ~np.isnan(values[t:])
    days = np.arange(1, len(ahead) + 1)[:, None]
    return tuple(int(lead) for lead in (ahead * days).max(axis=0, initial=0))


def _codes(names: pl.Series) -> Ints:
    """Names as numbers that stay the same from night to night, 0 where there is none (n,)."""
    known = names.unique().drop_nulls()
    numbers = {name: 1 + zlib.crc32(name.encode()) % (NUM_CODES - 1) for name in known}
    found = names.replace_strict(numbers, default=0, return_dtype=pl.Int64)
    return np.asarray(found.to_numpy())


def _left(ends: pl.Series, run_date: date) -> Array:
    known = ends.is_not_null().to_numpy()
    left = np.full(len(ends), FOREVER, np.float32)
    left[known] = _days(ends.drop_nulls(), run_date)
    return left
