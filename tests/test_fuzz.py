"""Whatever a table holds, every row is good or rejected, and no good row breaks the maths.

Each mutated table goes as Parquet through the real door, in one of several layouts of the lake;
what the door lets in then goes through the input functions of the workloads that read it.
"""

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logistics import lake
from logistics.forecast import inputs as forecast
from logistics.maintenance import inputs as maintenance
from logistics.maintenance import shop_inputs as workshop
from logistics.maintenance import windows
from logistics.routes import inputs as routes
from logistics.schema import Contract, TableError
from logistics.slotting import inputs as slotting
from logistics.slotting.travel import expect, lay_out
from logistics.storage import LakeError
from logistics.tables import CONTRACTS
from logistics.units import Count, Run, Unit
from tests.by_hand import bookings, overrides, travel_times, trips
from tests.mutations import Case, arrow, mutations
from tests.settings import config
from tests.world.conftest import make

Tables = dict[str, pl.DataFrame]
Rows = pa.Table | pl.DataFrame
COMPANY = tuple(name for name, contract in CONTRACTS.items() if contract.site is None)
OTHER_SITE = "B b/ü"
SMALL = (
    "skus_per_dc=5 num_assets=6 history_days=40 telemetry_days=12 num_dcs=1 num_depots=1 "
    "num_warehouses=1 orders_per_depot=9 vehicles_per_depot=3 slots_per_warehouse=16 "
    "order_lines_per_day=4 order_lines_days=6"
)
MOST_ROWS = 40
AT_LEAST = 2000  # mutations in a run
FOREIGN = "only a foreign column"
BUNDLES = 10


@dataclass(frozen=True)
class Company:
    """Good rows of every contract: raw as files hold them, and checked; the site they are of."""

    raw: Tables
    good: Tables
    sites: Mapping[str, str | None]
    through: set[tuple[object, ...]]  # the good rows whose maths has been tried


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("company")
    run = Run("r", config(folder, *(f"world.{size}" for size in SMALL.split())))
    made = make(run.config.world, seed=7)
    raw = {
        name: made.located(name, rows.gather_every(-(-rows.height // MOST_ROWS)))
        for name, rows in made.rows.items()
    }
    sites = made.site | {
        "travel_times": made.site["orders"],
        "trips": made.site["orders"],
        "forecast_overrides": None,
        "bookings": None,
    }
    raw["travel_times"] = travel_times(raw["orders"])
    raw["trips"] = trips(raw["orders"])
    raw["forecast_overrides"] = overrides(raw["promotions"])
    raw["bookings"] = bookings(raw["assets"])
    for name, rows in raw.items():
        _write_flat(run, name, arrow(rows))
    good = dict(lake.enter(run, lake.COMPANY, COMPANY, {}).tables)
    for name in raw.keys() - good.keys():
        good |= lake.enter(run, Unit(sites[name]), [name], good).tables
    assert {n: raw[n].height for n in CONTRACTS} == {n: good[n].height for n in CONTRACTS}
    return Company(raw, good, sites, set())


# --- layouts of the lake -------------------------------------------------------------------------


def _write_flat(run: Run, name: str, table: Rows) -> int:
    return _save(table, _fresh(run, name) / "all.parquet")


def _write_beside_good(run: Run, name: str, table: Rows, good: pl.DataFrame) -> int:
    """Two files whose columns may be of different types."""
    folder = _fresh(run, name)
    return _save(arrow(good), folder / "a.parquet") + _save(table, folder / "b.parquet")


def _write_by_site(run: Run, name: str, table: Rows, site: str, good: pl.DataFrame) -> int:
    """The mutated rows in one site's folder, good ones in another's."""
    folder, column = _fresh(run, name), CONTRACTS[name].site
    written = 0
    for site_id, rows in ((site, table), (OTHER_SITE, arrow(good))):
        (folder / f"{column}={quote(site_id, safe='')}").mkdir()
        written += _save(rows, folder / f"{column}={quote(site_id, safe='')}" / "part-0.parquet")
    return written


def _save(table: Rows, path: Path) -> int:
    if isinstance(table, pl.DataFrame):
        table.write_parquet(path)
        return table.height
    pq.write_table(table, path)
    return int(table.num_rows)


def _fresh(run: Run, name: str) -> Path:
    folder = Path(run.config.lake) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def cases(company: Company, table: str) -> list[Case]:
    """Every kind of mutation once, on one column or another."""
    every = sorted(mutations(company.raw[table], CONTRACTS[table]), key=lambda case: case.seed)
    return list({case.kind: case for case in reversed(every)}.values())


def changes_units(case: Case) -> bool:
    """Whether the mutation may also change which units a table has."""
    site = CONTRACTS[case.table].site
    return site is not None and (case.column == site or case.kind in ("no columns", FOREIGN))


def by_site(case: Case) -> bool:
    """Whether another site stands beside the mutated one, each in a folder of its own."""
    return case.seed % 4 == 1 and case.column != CONTRACTS[case.table].site


def write(run: Run, company: Company, case: Case) -> tuple[int, int | None]:
    """Rows written, and at most how many of them may be rejected (None: any number)."""
    rows, site = company.raw[case.table], company.sites[case.table]
    mutated = case.mutation(rows, np.random.default_rng(case.seed), CONTRACTS[case.table])
    if case.seed % 4 == 0:
        # Keys of these rows are in the other file, too, so half of them are doubles.
        return _write_beside_good(run, case.table, mutated.table, rows.head(3)), None
    if site is not None and by_site(case):
        good = rows.with_columns(pl.lit(OTHER_SITE).alias(CONTRACTS[case.table].site))
        written = _write_by_site(run, case.table, mutated.table, site, good.head(3))
        must_be_depot = case.table in ("orders", "travel_times", "trips")
        return written, None if must_be_depot else mutated.touched
    return _write_flat(run, case.table, mutated.table), mutated.touched


# --- laws ----------------------------------------------------------------------------------------


def enter(run: Run, table: str, dims: Tables, unit: Unit) -> tuple[Count, pl.DataFrame]:
    """A unit's count and good rows of one table, with what must hold of both."""
    entry = lake.enter(run, unit, [table], dims)
    (count,), rows = entry.counts, entry.tables[table]
    assert count.rows_in == count.rows_out + count.rows_rejected
    assert count.rows_out == rows.height
    assert count.rows_rejected == sum(file.rows for file in entry.files)
    for file in entry.files:
        staged = pl.read_parquet(f"{run.config.plan}/rejects/{file.path}", hive_partitioning=False)
        assert staged.height == file.rows
        assert staged["rule"].str.len_chars().min() > 0
    assert not broken(rows, CONTRACTS[table], dims)
    return count, rows


def broken(rows: pl.DataFrame, contract: Contract, dims: Tables) -> list[str]:
    """What good rows break of their contract, judged without the code that checks it."""
    found = [] if rows.select(contract.key).n_unique() == rows.height else ["a key is there twice"]
    for name, column in contract.columns.items():
        values = [v for v in rows[name].to_list() if v is not None]
        least = -np.inf if column.at_least is None else column.at_least
        most = np.inf if column.at_most is None else column.at_most
        number, table = column.dtype.is_numeric(), contract.refs.get(name)
        faults = {
            "is of another type": rows.schema[name] != column.dtype,
            "is null": column.required and len(values) < rows.height,
            "is not finite": number and not all(abs(v) < np.inf for v in values),
            "is out of range": number and not all(least <= v <= most for v in values),
            "is too low": column.above is not None and any(v <= column.above for v in values),
            "is no choice": bool(column.choices) and not set(values) <= set(column.choices),
            "has a null inside": any(_hollow(v) for v in values),
            "refers to nothing": table is not None
            and not set(values) <= set(dims[table][CONTRACTS[table].key[0]]),
        }
        found += [f"{name} {fault}" for fault, is_so in faults.items() if is_so]
    windows = rows["windows"].to_list() if "windows" in rows.columns else []
    every = [(w["opens_s"], w["closes_s"]) for of_row in windows for w in of_row or ()]
    return found + [f"{w} is no window" for w in every if not 0 <= w[0] <= w[1] <= 36 * 3600]


def _hollow(value: object) -> bool:
    if isinstance(value, list):
        return any(_hollow(inner) for inner in value)
    return any(map(_hollow, value.values())) if isinstance(value, dict) else value is None


def try_case(run: Run, company: Company, case: Case, find_units: bool = False) -> Tables:
    """The good rows of one mutated table, after the real door and with what must hold of them."""
    table, site = case.table, company.sites[case.table]
    written, rejectable = write(run, company, case)
    sites = (site, lake.UNKNOWN, OTHER_SITE) if by_site(case) else (site, lake.UNKNOWN)
    units = [lake.COMPANY] if site is None else [Unit(name) for name in sites]
    refusal, entries = "", {}
    try:
        found = lake.units(run.config.lake, [table], 16) if find_units else units
        entries = {unit.site_id: enter(run, table, company.good, unit) for unit in found}
    except (LakeError, TableError) as fault:
        refusal = str(fault)
    if refusal:
        assert refusal.startswith(table)
        return {table: company.good[table].clear()}
    assert sum(count.rows_in for count, _ in entries.values()) == written
    rejected = sum(count.rows_rejected for count, _ in entries.values())
    assert rejectable is None or rejected <= rejectable, f"{rejected} rejected"
    home = units[0].site_id
    return {table: entries[home][1] if home in entries else company.good[table].clear()}


# --- what the workloads make of it ---------------------------------------------------------------


def _forecast(run: Run, tables: Tables, sites: Mapping[str, str | None]) -> None:
    options = run.config.forecast
    named = [tables[n] for n in ("sales", "promotions", "prices", "signals", "items")]
    found = forecast.panel(*named, run.config.date, options.horizon_days, options.context_days)
    for array in (found.in_stock, found.age, found.left):
        assert np.isfinite(array).all()
    for array in (found.units, found.covariates, found.signals):
        assert not np.isinf(array).any()


def _routes(run: Run, tables: Tables, sites: Mapping[str, str | None]) -> None:
    depot = sites["orders"]
    assert depot is not None
    tables = {name: tables[name] for name in WORKLOADS[_routes]}
    if tables["orders"].is_empty() or depot not in tables["depots"]["depot_id"]:
        return
    found = routes.problem(tables, depot, [], run.config.date, run.config.routes)
    assert np.isfinite(found.travel.base_s).all()
    assert (found.travel.base_s >= 0).all()
    assert (found.travel.distance_m >= 0).all()
    hours = np.arange(0, 86400, 3600)
    assert np.isfinite(found.travel.mean_pace(hours, hours + 600)).all()
    for crew in found.crews:
        arrival = found.travel.arrive(0, len(found.orders), crew.starts_s, crew.speed_factor)
        assert crew.starts_s <= arrival < 2**53
        assert found.travel.depart(0, len(found.orders), arrival, crew.speed_factor) <= arrival


def _maintenance(run: Run, tables: Tables, sites: Mapping[str, str | None]) -> None:
    day, options = run.config.date, run.config.maintenance
    assets = tables["assets"].filter(site_id=sites["telemetry"])
    if assets.is_empty():
        return
    before = pl.col("at") < pl.lit(day).cast(pl.Datetime("us"))
    telemetry, events = tables["telemetry"].filter(before), tables["events"].filter(before)
    found = maintenance.windows(telemetry, events, assets, [day], options.window_days)
    some, known = maintenance.examples(
        telemetry, events, assets, day, options.window_days, at_most=50, seed=1
    )
    for rows in (found, some):
        same = windows.from_table(windows.to_table(rows))
        assert same.asset_ids.tolist() == rows.asset_ids.tolist()
        assert not np.isinf(rows.signals).any()
        assert np.isfinite(rows.history).all()
        assert np.isfinite(rows.context[:, 1:]).all()
        assert not np.isinf(rows.context[:, 0]).any()
    assert (known.days >= 0).all()


def _workshops(run: Run, tables: Tables, sites: Mapping[str, str | None]) -> None:
    told = {"component": pl.lit("engine"), "p_fail_7d": pl.lit(0.3), "p_fail_30d": pl.lit(0.6)}
    risks = tables["assets"].select("asset_id", "site_id", "kind", **told)
    for shop in {*tables["workshops"]["workshop_id"], "unknown"}:
        found = workshop.problem(tables, risks, shop, run.config.date, run.config.maintenance)
        assert all(np.isfinite(job.saving(0)) for job in found.jobs)
        assert found.weekdays <= frozenset(range(7))


def _slotting(run: Run, tables: Tables, sites: Mapping[str, str | None]) -> None:
    if tables["slots"].is_empty():
        return
    name = sites["slots"]
    assert name is not None
    warehouse, demand, tours = slotting.read(
        tables, None, name, run.config.date, run.config.slotting, seed=1
    )
    layout = lay_out(warehouse)
    walking = expect(layout, tours, float(demand.picks_per_day.sum()))
    arrays = (
        *(demand.picks_per_day, demand.unit_m3, demand.unit_kg, demand.stock_m3, demand.stock_kg),
        *(warehouse.x_m, warehouse.y_m, layout.depth_m, layout.aisle_x_m),
        *(warehouse.capacity_m3, warehouse.capacity_kg),
        walking.slot_costs(np.ones(layout.aisle_x_m.size)),
    )
    for array in arrays:
        assert np.isfinite(array).all()


WORKLOADS = {
    _forecast: ("sales", "signals", "promotions", "prices", "items"),
    _routes: ("orders", "travel_times", "trips", "depots", "vehicles", "drivers", "traffic"),
    _maintenance: ("telemetry", "events", "assets"),
    _workshops: ("assets", "workshops", "technicians", "parts", "bookings"),
    _slotting: ("slots", "order_lines", "items"),
}


# --- the tests -----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("r", config(tmp_path))


def judge(run: Run, company: Company, case: Case, find_units: bool = False) -> None:
    try:
        good = company.good | try_case(run, company, case, find_units)
        rows = good[case.table]
        mark = (case.table, *rows.columns, rows.hash_rows().to_numpy().tobytes())
        if mark in company.through:
            return  # many mutations end in the same good rows
        company.through.add(mark)
        for compute, tables in WORKLOADS.items():
            if case.table in tables:
                compute(run, good, company.sites)
    except BaseException as fault:  # a panic of polars is no Exception
        fault.add_note(f"mutation: {case}")
        raise


def test_there_are_enough_mutations(company: Company) -> None:
    tried = [str(c) for table in CONTRACTS for c in cases(company, table) if not changes_units(c)]
    assert len(set(tried)) == len(tried) >= AT_LEAST


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_row_is_good_or_rejected_and_no_good_row_breaks_the_maths(
    run: Run, company: Company, table: str
) -> None:
    for case in cases(company, table):
        if not changes_units(case):
            judge(run, company, case)


@pytest.mark.parametrize("table", [name for name, c in CONTRACTS.items() if c.site is not None])
def test_no_row_is_lost_whatever_names_its_site(run: Run, company: Company, table: str) -> None:
    for case in cases(company, table):
        if changes_units(case):
            judge(run, company, case, find_units=True)


@pytest.mark.parametrize("number", range(BUNDLES))
def test_a_site_where_every_table_is_bad_at_once(run: Run, company: Company, number: int) -> None:
    bundle = dict(company.good)
    for table in CONTRACTS:
        usable = [case for case in cases(company, table) if not changes_units(case)]
        case = usable[zlib.crc32(f"{table} {number}".encode()) % len(usable)]
        bundle |= try_case(run, company, case)
    for compute in WORKLOADS:
        compute(run, bundle, company.sites)


@pytest.mark.parametrize("table", ["sales", "telemetry", "events"])
def test_one_giant_site_is_its_buckets_exactly(run: Run, company: Company, table: str) -> None:
    contract, rows = CONTRACTS[table], company.raw[table]
    entity, rng = contract.bucket_by, np.random.default_rng(1)
    assert entity is not None
    many = pl.concat([rows] * (30_000 // rows.height)).with_row_index()
    many = many.with_columns(
        pl.when(pl.Series(rng.random(many.height) < 0.99))
        .then(pl.format("{}-{}", entity, pl.col("index") % 997))
        .alias(entity)
    ).drop("index")
    assert 0 < many[entity].null_count() < 0.05 * many.height
    _write_beside_good(run, table, arrow(many), rows)
    dims = company.good | {"assets": company.good["assets"].clear()}
    site = company.sites[table] or ""
    whole = lake.enter(run, Unit(site), [table], dims)
    parts = [lake.enter(run, Unit(site, bucket, 7), [table], dims) for bucket in range(7)]
    for count in ("rows_in", "rows_out", "rows_rejected"):
        total = sum(getattr(part.counts[0], count) for part in parts)
        assert total == getattr(whole.counts[0], count)
    together = pl.concat(part.tables[table] for part in parts)
    assert together.sort(contract.key).equals(whole.tables[table].sort(contract.key))
