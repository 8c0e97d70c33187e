"""A public data set's folder → a Panel with its last periods held out, and what came in them.

Knows the folders' layout (`dataset.json`, `sales.parquet` and, where there are any, `items`,
`sites` and `signals.parquet`); knows nothing of models. Columns that are known only afterwards
never reach the held-out periods.
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.forecast.panel import FOREVER, Array, Panel

MAX_CODED_SKUS = 255  # a SKU is a code of its own where there are few enough to learn each
KEY = ["dc_id", "sku_id"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where dated rows go: row of each series, column of each period, of which t are past."""

    series: pl.DataFrame  # dc_id, sku_id, row
    first: date
    period_days: int
    t: int
    horizon: int


def load(
    folder: Path | str,
    horizon: int,
    target: Literal["sales", "demand"] = "sales",
    periods_cut: int = 0,
) -> tuple[Panel, Array]:
    """The panel before the last `horizon` periods and their units (n, horizon), NaN where unknown.

    periods_cut: as many of the set's last periods are as if they had not come yet.

    Series are those with a row before the held-out periods, by site and SKU. For target "sales" a
    period partly out of stock counts as it sold, as the held-out units do, and the share in stock
    is something seen afterwards; for "demand" it censors, as in the night.
    """
    folder = Path(folder)
    about = json.loads((folder / "dataset.json").read_text())
    sales = _dated(pl.read_parquet(folder / "sales.parquet")).filter(pl.col("units").is_not_null())
    sales = _cut(sales, about, periods_cut)
    grid = _grid(sales, about, horizon)
    sales = sales.join(grid.series, on=KEY).with_columns(_column(grid))
    units = _values(sales, "units", grid)
    if about["absent_dates"] == "zero":
        units = np.nan_to_num(units)
    first = np.full(grid.series.height, grid.t)
    np.minimum.at(first, sales["row"].to_numpy(), sales["column"].to_numpy())
    units[np.arange(units.shape[1])[None] < first[:, None]] = np.nan
    actual = units[:, grid.t :].copy()
    panel = _panel(folder, about, sales, grid, units[:, : grid.t], first, target)
    return panel, actual


def _panel(
    folder: Path,
    about: dict[str, Any],
    sales: pl.DataFrame,
    grid: Grid,
    units: Array,
    first: NDArray[np.int64],
    target: str,
) -> Panel:
    sites = grid.series["dc_id"].unique().sort()
    site = grid.series["dc_id"].replace_strict({s: i for i, s in enumerate(sites)})
    seen = np.ones_like(units)
    if target == "demand" and "in_stock" in sales.columns:
        seen = np.nan_to_num(_values(sales, "in_stock", grid)[:, : grid.t], nan=1.0)
    covariates, names, ahead = _covariates(about, sales, grid, target)
    signals, signal_names, lead = _signals(folder, about, sites, grid)
    codes, code_names, attributes, attribute_names = _statics(folder, about, grid)
    n = grid.series.height
    return Panel(
        run_date=grid.first + timedelta(days=grid.t * grid.period_days),
        period_days=grid.period_days,
        horizon=grid.horizon,
        site_ids=tuple(str(s) for s in sites),
        sku_ids=tuple(str(s) for s in grid.series["sku_id"]),
        site=site.to_numpy().astype(np.int64),
        units=units,
        in_stock=seen,
        covariates=covariates,
        covariate_names=names,
        known_ahead=np.broadcast_to(np.array(ahead, np.bool_), (n, len(names))),
        signals=signals,
        signal_names=signal_names,
        lead=lead,
        codes=codes,
        code_names=code_names,
        attributes=attributes,
        attribute_names=attribute_names,
        age=(grid.t - first).astype(np.float32),
        left=np.full(n, FOREVER, np.float32),
    )


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("date").cast(pl.Date))


def _period_days(about: dict[str, Any]) -> int:
    return 7 if about["frequency"].startswith("W") else 1


def _cut(sales: pl.DataFrame, about: dict[str, Any], periods: int) -> pl.DataFrame:
    last = sales["date"].max()
    assert isinstance(last, date)
    return sales.filter(pl.col("date") <= last - timedelta(days=periods * _period_days(about)))


def _grid(sales: pl.DataFrame, about: dict[str, Any], horizon: int) -> Grid:
    period_days = _period_days(about)
    first, last = sales["date"].min(), sales["date"].max()
    assert isinstance(first, date)
    assert isinstance(last, date)
    t = (last - first).days // period_days + 1 - horizon
    if t < 1:
        raise ValueError(f"{about['name']}: {horizon} periods held out leave nothing to learn from")
    cut = first + timedelta(days=t * period_days)
    series = sales.filter(pl.col("date") < cut).select(KEY).unique().sort(KEY)
    return Grid(series.with_row_index("row"), first, period_days, t, horizon)


def _column(grid: Grid) -> pl.Expr:
    days = (pl.col("date") - grid.first).dt.total_days()
    return (days // grid.period_days).cast(pl.Int64).alias("column")


def _values(rows: pl.DataFrame, name: str, grid: Grid) -> Array:
    """A column of rows with `row` and `column` as (n, t + h), NaN where there is no row."""
    out = np.full((grid.series.height, grid.t + grid.horizon), np.nan, np.float32)
    at = rows["row"].to_numpy().astype(np.int64), rows["column"].to_numpy()
    out[at] = rows[name].cast(pl.Float32).to_numpy()
    return out


def _covariates(
    about: dict[str, Any], sales: pl.DataFrame, grid: Grid, target: str
) -> tuple[Array, tuple[str, ...], list[bool]]:
    names = [c for c in (*about["known_future"], *about["known_past"]) if c in sales.columns]
    if target == "demand":
        names = [name for name in names if name != "in_stock"]
    ahead = [name in about["known_future"] for name in names]
    out = np.full((grid.series.height, grid.t + grid.horizon, len(names)), np.nan, np.float32)
    for i, name in enumerate(names):
        out[:, :, i] = _values(sales, name, grid)
        if name == "price":
            out[:, :, i] = np.log(np.maximum(out[:, :, i], 1e-3))
        if not ahead[i]:
            out[:, grid.t :, i] = np.nan
    return out, tuple("log_price" if name == "price" else name for name in names), ahead


def _signals(
    folder: Path, about: dict[str, Any], sites: pl.Series, grid: Grid
) -> tuple[Array, tuple[str, ...], tuple[int, ...]]:
    file = folder / "signals.parquet"
    total = grid.t + grid.horizon
    if not file.exists():
        return np.zeros((len(sites), total, 0), np.float32), (), ()
    table = _dated(pl.read_parquet(file)).with_columns(_column(grid))
    table = table.filter(pl.col("column").is_between(0, total - 1), pl.col("dc_id").is_in(sites))
    known = (*about["known_future"], *about["known_past"])
    names = tuple(c for c in table.columns if c in known)
    row = table["dc_id"].replace_strict({s: i for i, s in enumerate(sites)}).to_numpy()
    out = np.full((len(sites), total, len(names)), np.nan, np.float32)
    out[row, table["column"].to_numpy()] = table.select(names).cast(pl.Float32).to_numpy()
    lead = tuple(grid.horizon if name in about["known_future"] else 0 for name in names)
    for i, periods in enumerate(lead):
        out[:, grid.t + periods :, i] = np.nan
    return out, names, lead


def _statics(
    folder: Path, about: dict[str, Any], grid: Grid
) -> tuple[NDArray[np.int64], tuple[str, ...], Array, tuple[str, ...]]:
    """Whole numbers and names become codes from 1, in their order; other numbers attributes."""
    table = grid.series
    for name in ("items", "sites"):
        file = folder / f"{name}.parquet"
        if file.exists():
            other = pl.read_parquet(file)
            other = other.rename({"sku": "sku_id"}) if "sku" in other.columns else other
            keys = [key for key in KEY if key in other.columns]
            other = other.with_columns(pl.col(key).cast(grid.series[key].dtype) for key in keys)
            table = table.join(other, on=keys, how="left", maintain_order="left")
    names = [name for name in about["static"] if name in table.columns]
    numbers = tuple(name for name in names if table[name].dtype.is_float())
    coded = tuple(name for name in names if name not in numbers)
    if grid.series["dc_id"].n_unique() > 1 and table["sku_id"].n_unique() <= MAX_CODED_SKUS:
        coded = (*coded, "sku_id")
    codes = np.zeros((table.height, len(coded)), np.int64)
    for i, name in enumerate(coded):
        codes[:, i] = table[name].rank("dense").fill_null(0).to_numpy()
    attributes = table.select(numbers).cast(pl.Float32).to_numpy().reshape(table.height, -1)
    return codes, coded, attributes[:, : len(numbers)], numbers
