"""Sales, promotions, prices, signals and items of one unit → a Panel: one row per series.

Knows tables and arrays; knows nothing of models, Ray or storage. Nothing dated on or after the run
date is used except what is known ahead: promotions, list prices and signals.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Array = NDArray[np.float32]
FOREVER_DAYS = 9999
NUM_CATEGORIES = 64  # category names are hashed into so many embeddings


@dataclass(frozen=True, slots=True)
class Panel:
    """n series over t past and h future days; the first future day is run_date.

    units (n, t): NaN before a series' first sale. in_stock (n, t): share of opening hours.
    discount (n, t + h): 0 without a promotion. log_price (n, t + h): 0 where none is known.
    signals (n, t + h, s): NaN where no value is known, named by signal_names.
    days_left (n,): until end of life, FOREVER_DAYS without one. age_days (n,): since launch.
    """

    run_date: date
    horizon_days: int
    sku_ids: tuple[str, ...]
    units: Array
    in_stock: Array
    discount: Array
    log_price: Array
    signals: Array
    signal_names: tuple[str, ...]
    category: NDArray[np.int64]
    age_days: Array
    days_left: Array

    def __len__(self) -> int:
        return len(self.sku_ids)

    @property
    def num_days(self) -> int:
        return int(self.units.shape[1])

    def take(self, rows: NDArray[np.int64]) -> "Panel":
        """The panel of some series."""
        return Panel(
            self.run_date,
            self.horizon_days,
            tuple(self.sku_ids[i] for i in rows),
            self.units[rows],
            self.in_stock[rows],
            self.discount[rows],
            self.log_price[rows],
            self.signals[rows],
            self.signal_names,
            self.category[rows],
            self.age_days[rows],
            self.days_left[rows],
        )


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
    dc_ids = past["dc_id"].unique().to_list()
    of = items.join(skus.to_frame(), on="sku_id").sort("sku_id")
    total = t + horizon_days
    names = tuple(signals["name"].unique().sort())
    values = _signal_grid(signals, names, first, total)
    return Panel(
        run_date,
        horizon_days,
        tuple(skus),
        units,
        in_stock,
        _promotion_grid(promotions, dc_ids, code, first, total),
        _price_grid(prices, seen, dc_ids, code, first, total),
        np.broadcast_to(values, (len(code), *values.shape)),
        names,
        _categories(of, code),
        age,
        _days_left(of, code, run_date),
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
    promotions: pl.DataFrame, dc_ids: Sequence[str], code: dict[str, int], first: date, total: int
) -> Array:
    grid = np.zeros((len(code), total), np.float32)
    here = _at(promotions, dc_ids, code).sort("promo_id")
    for sku, start, end, discount in here.select("sku_id", "start", "end", "discount").iter_rows():
        a, b = max((start - first).days, 0), max((end - first).days + 1, 0)
        grid[code[sku], a:b] = np.maximum(grid[code[sku], a:b], discount)
    return grid


def _price_grid(
    prices: pl.DataFrame,
    seen: pl.DataFrame,
    dc_ids: Sequence[str],
    code: dict[str, int],
    first: date,
    total: int,
) -> Array:
    """Log list price where the prices table knows the SKU, else the log of the price last paid.

    Paid prices are known for the past only, so they are carried on unchanged into the future.
    """
    paid = seen.filter(pl.col("price").is_not_null())
    grid = np.full((len(code), total), np.nan, np.float32)
    grid[_places(paid, code, first)] = np.log(paid["price"].to_numpy())
    listed = _at(prices, dc_ids, code)
    known = [code[sku] for sku in listed["sku_id"].unique()]
    grid[known] = np.nan
    # A DC's own list price comes after the general one and so overrides it.
    for sku, start, price in (
        listed.sort("dc_id", "start", nulls_last=False)
        .select("sku_id", "start", "price")
        .iter_rows()
    ):
        grid[code[sku], max((start - first).days, 0) :] = np.log(price)
    return _fill_forward(grid)


def _fill_forward(grid: Array) -> Array:
    known = ~np.isnan(grid)
    last = np.maximum.accumulate(np.where(known, np.arange(grid.shape[1]), -1), axis=1)
    first = np.where(known.any(axis=1), known.argmax(axis=1), 0)
    source = np.where(last < 0, first[:, None], last)
    return np.nan_to_num(np.take_along_axis(grid, source, axis=1)).astype(np.float32)


def _at(table: pl.DataFrame, dc_ids: Sequence[str], code: dict[str, int]) -> pl.DataFrame:
    """The rows that concern this DC's SKUs."""
    return table.filter(
        pl.col("sku_id").is_in(list(code))
        & (pl.col("dc_id").is_null() | pl.col("dc_id").is_in(dc_ids))
    )


def _signal_grid(signals: pl.DataFrame, names: tuple[str, ...], first: date, total: int) -> Array:
    grid = np.full((total, len(names)), np.nan, np.float32)
    column = {name: i for i, name in enumerate(names)}
    here = signals.filter(pl.col("date").is_between(first, first + timedelta(days=total - 1)))
    days = (here["date"] - first).dt.total_days().to_numpy().astype(np.int64)
    which = np.array([column[name] for name in here["name"]], np.int64)
    grid[days, which] = here["value"].to_numpy()
    return grid


def _categories(of: pl.DataFrame, code: dict[str, int]) -> NDArray[np.int64]:
    found = np.zeros(len(code), np.int64)
    for sku, category in of.select("sku_id", "category").iter_rows():
        if category is not None:
            found[code[sku]] = 1 + zlib.crc32(category.encode()) % (NUM_CATEGORIES - 1)
    return found


def _days_left(of: pl.DataFrame, code: dict[str, int], run_date: date) -> Array:
    left = np.full(len(code), FOREVER_DAYS, np.float32)
    for sku, end in of.select("sku_id", "end_of_life").iter_rows():
        if end is not None:
            left[code[sku]] = (end - run_date).days
    return left


_GRIDS = ("units", "in_stock", "discount", "log_price")
_COLUMNS = ("category", "age_days", "days_left")


def to_table(panel: Panel) -> pa.Table:
    """One row per series; the signals, which all series of a unit share, go into the metadata."""
    columns = {"sku_id": pa.array(panel.sku_ids, pa.string())}
    for name in _GRIDS:
        grid = np.ascontiguousarray(getattr(panel, name))
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(grid.ravel()), grid.shape[1])
    for name in _COLUMNS:
        columns[name] = pa.array(getattr(panel, name))
    shared = panel.signals[0] if len(panel) else panel.signals.reshape(-1)
    metadata = {
        "run_date": str(panel.run_date),
        "horizon_days": str(panel.horizon_days),
        "signal_names": "\n".join(panel.signal_names),
        "signals": np.ascontiguousarray(shared, np.float32).tobytes(),
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def from_table(table: pa.Table) -> Panel:
    """The inverse of `to_table`."""
    n = table.num_rows
    metadata = table.schema.metadata
    names = tuple(name for name in metadata[b"signal_names"].decode().split("\n") if name)
    grids = {}
    for name in _GRIDS:
        width = table.schema.field(name).type.list_size
        grids[name] = table[name].combine_chunks().flatten().to_numpy().reshape(n, width)
    total = grids["discount"].shape[1]
    flat = np.frombuffer(metadata[b"signals"], np.float32)
    signals = (
        flat.reshape(total, len(names)) if flat.size else np.zeros((total, len(names)), np.float32)
    )
    columns = {name: table[name].to_numpy() for name in _COLUMNS}
    return Panel(
        date.fromisoformat(metadata[b"run_date"].decode()),
        int(metadata[b"horizon_days"]),
        tuple(table["sku_id"].to_pylist()),
        grids["units"],
        grids["in_stock"],
        grids["discount"],
        grids["log_price"],
        np.broadcast_to(signals, (n, *signals.shape)),
        names,
        columns["category"],
        columns["age_days"],
        columns["days_left"],
    )
