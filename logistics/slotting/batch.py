"""Slotting on Ray: one plain task per warehouse reads, solves and publishes. Knows storage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import polars as pl

from logistics import handouts, lake, plan, tasks
from logistics.matches import matched
from logistics.outputs import SLOTS_PLAN
from logistics.outputs_forecast import FORECAST_TOTALS
from logistics.slotting import heat_map, inputs, outputs
from logistics.slotting.plan import plan_warehouse
from logistics.tasks import Dims, Tables
from logistics.units import Parcel, Run, Unit

_TABLES = ("slots", "order_lines")


def units(run: Run, dims: Dims) -> list[Unit]:
    """The warehouses. One is solved whole, however large."""
    return lake.units(run.config.lake, _TABLES, run.config.cluster.max_unit_mb)


def upstream(run: Run, dims: Dims) -> dict[str, str]:
    """Warehouse → digest of its forecast totals of tonight."""
    return plan.file_digests(run.config.plan, FORECAST_TOTALS.name, run.config.date)


def run(run: Run, dims: Dims, parcels: Sequence[Parcel]) -> Iterator[Parcel]:
    """Each warehouse's parcel as it is done."""
    yield from tasks.solve_each("slotting", _plan_unit, run, dims, parcels)


def _plan_unit(run: Run, dims: Tables, parcel: Parcel) -> Parcel:
    config, unit, slotting = run.config, parcel.unit, run.config.slotting
    entry = lake.enter(run, unit, _TABLES, dims)
    parcel = replace(parcel, counts=entry.counts, files=entry.files)
    if entry.tables["slots"].is_empty():  # the door has rejected them all, and said so
        return parcel
    tables = {"items": dims["items"], **entry.tables}
    totals = plan.read_plan(config.plan, FORECAST_TOTALS.name, config.date, unit.site_id)
    seed = run.seed_of(unit.site_id)
    warehouse, demand, tours = inputs.read(
        tables, totals, unit.site_id, config.date, slotting, seed
    )
    night, ideal, prospect = plan_warehouse(warehouse, demand, tours, slotting)
    lately = tours.lately(slotting.history_days)
    moves = outputs.moves_rows(prospect, night, slotting)
    heat = outputs.heat_rows(warehouse, demand, demand.face, night.slot_of, ideal)
    files = plan.publish(
        run,
        unit,
        {
            "slots_plan": outputs.slots_plan_rows(warehouse, demand, night, ideal),
            "moves": moves,
            "slots_heat": heat,
            "slots_effect": outputs.effect_rows(
                warehouse, demand, prospect, night, ideal, slotting
            ),
            "unplaced": outputs.unplaced_rows(demand, night),
        },
    )
    made = {"labels.csv": outputs.labels_csv(moves)}
    if slotting.heat_map:
        title = f"{unit.site_id}, {config.date}: expected picks a day"
        made["heat_map.png"] = heat_map.draw(heat, title)
    handouts.write(config.plan, config.date, SLOTS_PLAN.site, unit.site_id, made)
    layout = prospect.walking.layout
    figures = outputs.figures(warehouse, demand, layout, lately, night, ideal)
    paying = moves.filter(pl.col("payback_days").is_not_null())
    figures |= {name: float(paying[name].sum()) for name in ("labour_cost", "saving_per_day")}
    figures |= _matched(run, unit, tables, totals)
    return replace(parcel, files=parcel.files + files, figures=figures)


def _matched(run: Run, unit: Unit, tables: Tables, totals: pl.DataFrame | None) -> dict[str, float]:
    """Whether the other tables speak of the warehouse, and of the SKUs that lie in its slots."""
    held = tables["slots"]["sku_id"]
    if not held.drop_nulls().len():  # a warehouse that is still empty
        return {}
    told: dict[str, float] = {}
    for name, rows in (("items", tables["items"]), ("order_lines", tables["order_lines"])):
        told |= matched(f"{name}.sku_id", rows["sku_id"], "slots", held, each=True)
    config, here = run.config, pl.Series([unit.site_id])
    if totals is not None:
        told |= matched("sales.sku_id", totals["sku_id"], "slots", held, each=True)
        return told | matched("slots.warehouse_id", here, "sales", here)
    dcs = sorted(plan.file_digests(config.plan, FORECAST_TOTALS.name, config.date))
    return told | (matched("slots.warehouse_id", here, "sales", pl.Series(dcs)) if dcs else {})
