"""The depots' files follow the plan's tables; and tables that an older program has made grow."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from logistics import handouts, plan, upkeep
from logistics.config import Config
from logistics.outputs import OUTPUTS, UNSERVED
from logistics.routes.dispatch import handouts as made_of
from logistics.routes.explain import Reason
from logistics.routes.kpis import kpi_rows
from logistics.routes.outputs import plan_rows
from logistics.routes.problem import Budget
from logistics.routes.solve import plan_depot
from logistics.units import Run, Unit
from tests.routes.test_inputs import DAY, build, tables
from tests.settings import config

ORDERS: list[dict[str, object]] = [{}, {"order_id": "S2", "weight_kg": 900.0}]
DEPOT = {"lat": 52.0, "lon": 4.0}


@pytest.fixture
def published(tmp_path: Path) -> tuple[Config, dict[str, pl.DataFrame]]:
    """A night's rows of one depot, committed."""
    run = Run("r", replace(config(tmp_path), date=DAY))
    problem = build(orders=ORDERS)
    solved = plan_depot(problem, "pyvrp", Budget(iterations=20), 1)
    reasons = [Reason(order, "capacity", "too heavy", None) for order in solved.unserved]
    rows = plan_rows(problem, solved.routes, reasons, tables(orders=ORDERS), DAY)
    none = [pl.DataFrame(schema=OUTPUTS[name].columns) for name in ("route_kpis", "stops")]
    kpis = kpi_rows(problem, solved.routes, solved.unserved, DEPOT, rows["stops"], *none)
    files = plan.publish(run, Unit("D1"), {**rows, "route_kpis": kpis})
    for table in (*rows, "route_kpis"):
        plan.commit(run, table, [file for file in files if file.table == table])
    return run.config, rows


def test_a_night_that_is_rolled_back_has_its_own_files_again(
    published: tuple[Config, dict[str, pl.DataFrame]],
) -> None:
    company, rows = published
    handouts.write(company.plan, DAY, "depot_id", "D1", {"another-plan.gpx": b""})
    upkeep._hand_out(company)
    folder = Path(handouts.folder(company.plan, DAY, "depot_id", "D1"))
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == made_of(str(DAY), DEPOT, *rows.values())


def test_a_table_of_an_older_program_is_read_and_grows(tmp_path: Path) -> None:
    run = Run("r", replace(config(tmp_path), date=DAY))
    old = pl.DataFrame(
        {"run_date": [DAY], "depot_id": ["D0"], "order_id": ["S9"]},
    )
    older = [c for c in UNSERVED.columns if c not in ("lat", "lon")]
    rows = pl.DataFrame(schema={c: UNSERVED.columns[c] for c in older})
    old = pl.concat([old, rows], how="diagonal").select("run_date", "depot_id", *older)
    where = f"{run.config.plan}/unserved"
    write_deltalake(where, old.to_arrow(), partition_by=["run_date", "depot_id"])
    read = plan.read_plan(run.config.plan, "unserved", DAY)
    assert read is not None
    assert read.select("order_id", "lat").row(0) == ("S9", None)
    more = {name: [None] for name in UNSERVED.columns} | {"order_id": ["S1"], "lat": [52.0]}
    frame = pl.DataFrame(more, schema=UNSERVED.columns)
    plan.commit(run, "unserved", plan.publish(run, Unit("D1"), {"unserved": frame}), only=["D1"])
    read = plan.read_plan(run.config.plan, "unserved", DAY)
    assert read is not None
    assert read.select("order_id", "lat").rows() == [("S9", None), ("S1", 52.0)]
