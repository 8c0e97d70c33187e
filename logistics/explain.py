"""The story of one order, SKU or asset, told from the plan's tables alone.

Knows the output tables and where they are; knows nothing of how they were computed.
"""

import difflib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast

import polars as pl

from logistics import plan
from logistics.config import Config
from logistics.outputs import OUTPUTS

Row = dict[str, object]
_TABLES_OF = {
    "order": ("stops", "unserved"),
    "sku": ("forecast_totals", "slots_plan", "moves", "unplaced"),
    "asset": ("risks", "work_orders", "kept_back"),
}


def tell(config: Config) -> list[str] | None:
    """The story's lines, or None when the plan knows no such thing."""
    _find.cache_clear()  # the plan may be another by now
    for thing, story in _STORIES.items():
        wanted = getattr(config, thing)
        if wanted is not None:
            return list(story(config, wanted)) or None
    return None


def unknown(config: Config) -> str:
    """Why there is no story."""
    for thing in _STORIES:
        wanted = getattr(config, thing)
        if wanted is not None:
            told = f"{thing}={wanted} is not in the plan for {config.date} at {config.plan}"
            return f"{told}; {_instead(config, thing, wanted)}"
    return "task=explain: say what to explain with order=, sku= or asset="


def _instead(config: Config, thing: str, wanted: str) -> str:
    """Which nights there are, for who has named another one; else the ids most like it."""
    found = plan.read_runs(config.plan)
    if found is None:
        return "no night has been planned there"
    days = found["run_date"].unique().sort()
    if config.date not in days:
        return f"it has {', '.join(str(day) for day in days[-5:])}"
    ids = {
        id_
        for table in _TABLES_OF[thing]
        for id_ in plan.values(config.plan, table, config.date, f"{thing}_id")
        if id_ is not None
    }
    near = difflib.get_close_matches(wanted, ids)
    return f"did you mean {' or '.join(near)}?" if near else "nothing there is called alike"


def _order(config: Config, order_id: str) -> Iterator[str]:
    for stop in _find(config, "stops", "order_id", order_id):
        own = f" of {stop['order_depot_id']}" if stop["order_depot_id"] else ""
        yield (
            f"Order {order_id}{own} ({stop['kind']}) is stop {stop['stop']} of route "
            f"{stop['route_id']} from {stop['depot_id']}, vehicle {stop['vehicle_id']}."
        )
        yield (
            f"  arrives {stop['arrival_local']:%H:%M}, waits {_minutes(stop['wait_s'])}, "
            f"served {stop['service_start_local']:%H:%M}, leaves {stop['departure_local']:%H:%M}; "
            f"it could arrive {_minutes(stop['slack_s'])} later and still be in time."
        )
        for route in _find(config, "routes", "route_id", str(stop["route_id"])):
            yield (
                f"  The route: {route['num_stops']} stops, {_km(route['distance_m'])}, "
                f"driver {route['driver_id']}, {route['departs_local']:%H:%M} to "
                f"{route['returns_local']:%H:%M}, cost {_number(route['cost'])}."
            )
    for order in _find(config, "unserved", "order_id", order_id):
        yield f"Order {order_id} of {order['depot_id']} is not served: {order['reason']}"
        if order["relaxation"]:
            yield f"  It would be served if: {order['relaxation']}"
    yield from _rejected(config, "orders", f"order_id={order_id}")


def _sku(config: Config, sku_id: str) -> Iterator[str]:
    """DC by DC, each with the warehouse of its name."""
    sites = {
        str(row[OUTPUTS[table].site])
        for table in _TABLES_OF["sku"]
        for row in _find(config, table, "sku_id", sku_id)
    }
    for site in sorted(sites):
        yield from _demand(config, sku_id, site)
        yield from _places(config, sku_id, site)
    yield from _rejected(config, "items", f"sku_id={sku_id}")


def _demand(config: Config, sku_id: str, site: str) -> Iterator[str]:
    totals = _at(site, config, "forecast_totals", sku_id)
    if not totals:
        return
    yield f"SKU {sku_id} at {site}: demand to come"
    for total in sorted(totals, key=lambda row: str(row["horizon_days"]).zfill(4)):
        yield (
            f"  {total['horizon_days']} days: {_number(total['mean'])} units "
            f"(80 % between {_number(total['q10'])} and {_number(total['q90'])}), "
            f"safety stock {_number(total['safety_stock'])}"
        )
    yield from _because(config, sku_id, site)
    week = _at(site, config, "forecasts", sku_id)[:7]
    days = ", ".join(f"{row['date']:%a} {_number(row['mean'])}" for row in week)
    yield f"  the first week: {days}"


def _places(config: Config, sku_id: str, site: str) -> Iterator[str]:
    for slot in _at(site, config, "slots_plan", sku_id):
        yield f"SKU {sku_id} lies in slot {slot['slot_id']} of {site}."
    for slot in _at(site, config, "slots_plan", sku_id, column="sku_ideal"):
        if slot["sku_id"] != sku_id:
            yield f"  Its best slot would be {slot['slot_id']}."
    for move in _at(site, config, "moves", sku_id):
        origin = move["from_slot"] or "the dock"
        payback = move["payback_days"]
        paid = "" if payback is None else f", its step paid back in {_number(payback)} days"
        why = f" ({move['why']})" if move.get("why") else ""  # plans of before it was told
        yield (
            f"  Tonight's move {move['move']}: {origin} → {move['to_slot']}{why}, "
            f"{_number(move['picks_per_day'])} picks a day, "
            f"saves {_number(move['saving_m_per_day'])} m a day{paid}."
        )
    for sku in _at(site, config, "unplaced", sku_id):
        yield f"SKU {sku_id} has no slot in {site}: {sku['reason']}"


def _because(config: Config, sku_id: str, site: str) -> Iterator[str]:
    """Why the forecast is what it is, what planners changed, and when to order."""
    for part in _at(site, config, "forecast_parts", sku_id):
        causes = ("base", "season", "promotion", "price", "signal", "planner")
        told = ", ".join(f"{cause} {_signed(part[cause])}" for cause in causes)
        yield f"  {part['days']} days are {_number(part['mean'])} because: {told}"
    changed = _at(site, config, "forecast_overridden", sku_id)
    if changed:
        said, final = (
            sum(float(str(row[f"{name}_mean"])) for row in changed)
            for name in ("statistical", "final")
        )
        yield (
            f"  {changed[0]['planner']} changed {len(changed)} of its days: the model said "
            f"{_number(said)} units for them, the plan says {_number(final)}"
        )
    for worth in _at(site, config, "forecast_value_added", sku_id):
        yield (
            f"  changes of {worth['night']} ({worth['planner']}): {worth['periods']} days came "
            f"since, error {_number(worth['final_abs_error'])} units with them, "
            f"{_number(worth['statistical_abs_error'])} without"
        )
    for point in _at(site, config, "reorder_points", sku_id):
        yield (
            f"  order when stock falls to {_number(point['reorder_point'])}: "
            f"{_number(point['lead_time_demand'])} are sold in "
            f"{_number(point['lead_time_days'])} days, and {_number(point['safety_stock'])} "
            f"more last with {_percent(point['service_level'])}"
        )


def _asset(config: Config, asset_id: str) -> Iterator[str]:
    risks = _find(config, "risks", "asset_id", asset_id)
    for risk in risks:
        yield (
            f"{risk['kind']} {asset_id} at {risk['site_id']}: fails within 7 days with "
            f"{_percent(risk['p_fail_7d'])}, within 30 days with {_percent(risk['p_fail_30d'])}."
        )
        yield (
            f"  Remaining life {_number(risk['rul_days_q50'])} days (80 % between "
            f"{_number(risk['rul_days_q10'])} and {_number(risk['rul_days_q90'])}); "
            f"likeliest component: {risk['component']}."
        )
        if risk["leading_sensors"]:
            yield f"  What says so: {', '.join(_leads(risk))}; last heard {risk['last_seen']}."
    orders = _find(config, "work_orders", "asset_id", asset_id)
    if risks and not orders:
        yield "  No visit is wanted: leaving it alone costs less, and no inspection is due."
    for order in orders:
        if order["status"] == "booked":
            yield (
                f"  Workshop {order['workshop_id']}, bay {order['bay']}: "
                f"{order['start_local']:%a %-d %b %H:%M} to {order['end_local']:%H:%M}, "
                f"{order['technician_id']} ({order['component']}): {order['reason']}"
            )
        else:
            yield f"  Not booked at {order['workshop_id']}: {order['reason']}"
    for vehicle in _find(config, "kept_back", "asset_id", asset_id):
        yield f"  So vehicle {vehicle['vehicle_id']} is off the routes of {vehicle['depot_id']}."
    yield from _rejected(config, "assets", f"asset_id={asset_id}")


def _leads(risk: Row) -> Iterator[str]:
    sensors, directions, since = (
        cast("list[Any]", risk[f"leading_{what}"]) for what in ("sensors", "directions", "since")
    )
    for sensor, direction, day in zip(sensors, directions, since, strict=True):
        yield f"{sensor} {direction} since {day:%-d %b}"


_STORIES: dict[str, Callable[[Config, str], Iterator[str]]] = {
    "order": _order,
    "sku": _sku,
    "asset": _asset,
}


def _at(site: str, config: Config, table: str, sku_id: str, column: str = "sku_id") -> list[Row]:
    """The rows of one site."""
    rows = _find(config, table, column, sku_id)
    return [row for row in rows if row[OUTPUTS[table].site] == site]


@cache  # each site's story asks for the same
def _find(config: Config, table: str, column: str, value: str) -> list[Row]:
    rows = plan.read_plan(config.plan, table, config.date, where=pl.col(column) == value)
    return [] if rows is None else rows.to_dicts()


def _rejected(config: Config, table: str, key: str) -> Iterator[str]:
    for row in _find(config, "rejects", "key", key):
        if row["table"] == table:
            yield (
                f"{table} row {key} was rejected: {row['column']} {row['rule']} "
                f"(it was {row['value']})."
            )


def _number(value: object) -> str:
    assert isinstance(value, (int, float))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _signed(value: object) -> str:
    assert isinstance(value, (int, float))
    return f"{value:+,.1f}" if round(value, 1) else "0"


def _percent(value: object) -> str:
    assert isinstance(value, float)
    return f"{value:.1%}"


def _minutes(seconds: object) -> str:
    assert isinstance(seconds, (int, float))
    return f"{seconds / 60:,.0f} min"


def _km(metres: object) -> str:
    assert isinstance(metres, (int, float))
    return f"{metres / 1000:,.1f} km"
