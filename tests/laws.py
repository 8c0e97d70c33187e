"""What must hold of a published plan, judged from the tables alone.

An independent checker: it reads the plan's and the lake's tables and shares no code with solvers,
re-timing or the workloads' own verify. Every law returns the offences it finds, as text.
"""

import math
from collections.abc import Iterator
from datetime import datetime, time, timedelta

import polars as pl

from logistics import lake, plan
from logistics.config import Config
from logistics.tables import CONTRACTS
from logistics.units import Run
from tests import laws_forecast

Rows = dict[str, list[dict]]
TOLERANCE_S = 2.0


def read_inputs(config: Config) -> Rows:
    """Every good row of the lake's small tables and of orders and slots."""
    run = Run("laws", config)
    names = [name for name, contract in CONTRACTS.items() if contract.site is None]
    company = lake.enter(run, lake.COMPANY, names, {}).tables
    rows = {name: frame.to_dicts() for name, frame in company.items()}
    for table in ("orders", "slots"):
        units = lake.units(config.lake, [table], 1000)
        rows[table] = [
            row
            for unit in units
            for row in lake.enter(run, unit, [table], company).tables[table].to_dicts()
        ]
    return rows


def read_plan(config: Config, table: str) -> list[dict]:
    rows = plan.read_plan(config.plan, table, config.date)
    return [] if rows is None else rows.to_dicts()


def offences(config: Config) -> list[str]:
    """All offences of a night's routes, workshop schedules, slots and forecasts."""
    inputs = read_inputs(config)
    return [
        *routes(config, inputs),
        *workshops(config, inputs),
        *slots(config, inputs),
        *laws_forecast.offences(config, inputs),
    ]


# --- routes --------------------------------------------------------------------------------------


def routes(config: Config, inputs: Rows) -> Iterator[str]:
    planned = {row["route_id"]: row for row in read_plan(config, "routes")}
    stops = read_plan(config, "stops")
    wanted = {o["order_id"]: o for o in inputs["orders"] if o["service_date"] == config.date}
    left = [row["order_id"] for row in read_plan(config, "unserved")]
    served = [stop["order_id"] for stop in stops]
    if sorted(served + left) != sorted(wanted):
        yield "orders: served and unserved are not each order once"
    for column in ("vehicle_id", "driver_id"):
        used = [route[column] for route in planned.values()]
        if len(used) != len(set(used)):
            yield f"routes: a {column} drives twice"
    yield from _kept_back(config, inputs, planned)
    vehicles = {row["vehicle_id"]: row for row in inputs["vehicles"]}
    drivers = {row["driver_id"]: row for row in inputs["drivers"]}
    depots = {row["depot_id"]: row for row in inputs["depots"]}
    speeds = {
        (row["depot_id"], row["slot"]): row["speed_factor"]
        for row in inputs["traffic"]
        if row["weekday"] == config.date.weekday()
    }
    for route_id, route in planned.items():
        calls = sorted((s for s in stops if s["route_id"] == route_id), key=lambda s: s["stop"])
        crew = (vehicles[route["vehicle_id"]], drivers[route["driver_id"]])
        depot = depots[route["depot_id"]]
        orders = [wanted[stop["order_id"]] for stop in calls]
        yield from _of_pool(route, calls, orders, crew[0], depots)
        yield from _pairs(route, orders)
        yield from _loads(route, calls, orders, crew[0])
        yield from _skills(route, orders, crew)
        yield from _times(config, route, calls, orders, crew, depot, speeds)
        yield from _work(route, calls, crew[1])


def _kept_back(config: Config, inputs: Rows, planned: dict[str, dict]) -> Iterator[str]:
    booked = {
        row["asset_id"]
        for row in read_plan(config, "work_orders")
        if row["status"] == "booked" and row["start_local"].date() == config.date
    }
    away = {v["vehicle_id"] for v in inputs["vehicles"] if v["asset_id"] in booked}
    pool_of = {d["depot_id"]: d["pool"] or ("alone", d["depot_id"]) for d in inputs["depots"]}
    pools = {pool_of[o["depot_id"]] for o in inputs["orders"]}
    expected = {
        v["vehicle_id"]
        for v in inputs["vehicles"]
        if v["vehicle_id"] in away and pool_of[v["depot_id"]] in pools
    }
    if {row["vehicle_id"] for row in read_plan(config, "kept_back")} != expected:
        yield "kept_back: not the vehicles the workshop has booked for this day"
    for route in planned.values():
        if route["vehicle_id"] in away:
            yield f"{route['route_id']}: {route['vehicle_id']} is in the workshop"


def _of_pool(
    route: dict, calls: list[dict], orders: list[dict], vehicle: dict, depots: dict[str, dict]
) -> Iterator[str]:
    """A route is its vehicle's depot's; orders of another depot are of its pool, and say so."""
    here = route["depot_id"]
    if vehicle["depot_id"] != here:
        yield f"{route['route_id']}: {vehicle['vehicle_id']} is of {vehicle['depot_id']}"
    for stop, order in zip(calls, orders, strict=True):
        own = order["depot_id"]
        if stop["order_depot_id"] != (None if own == here else own):
            yield f"{route['route_id']}: {order['order_id']} is of {own}"
        if own != here:
            pools = {depots[depot]["pool"] for depot in (own, here)}
            if len(pools) > 1 or None in pools or order["own_depot_only"]:
                yield f"{route['route_id']}: {order['order_id']} of {own} is not for {here}"


def _pairs(route: dict, orders: list[dict]) -> Iterator[str]:
    """A delivery that has a pickup comes after it, on the same route."""
    kinds: dict[str, list[str]] = {}
    for order in orders:
        if order.get("pair_id") is not None:
            kinds.setdefault(order["pair_id"], []).append(order["kind"])
    for pair, order_kinds in kinds.items():
        if order_kinds != ["pickup", "delivery"]:
            yield f"{route['route_id']}: pair {pair} is {' and '.join(order_kinds)}"


def _loads(route: dict, calls: list[dict], orders: list[dict], vehicle: dict) -> Iterator[str]:
    for order_column, load, capacity in (
        ("weight_kg", "load_kg", "capacity_kg"),
        ("volume_m3", "load_m3", "capacity_m3"),
    ):
        from_depot = [o for o in orders if o["kind"] == "delivery" and o.get("pair_id") is None]
        most = board = sum(o[order_column] for o in from_depot)
        if abs(board - route[f"start_{load}"]) > 1e-3:
            yield f"{route['route_id']}: {board:.3f} is on board at first, not start_{load}"
        for stop, order in zip(calls, orders, strict=True):
            board += order[order_column] * (1 if order["kind"] == "pickup" else -1)
            most = max(most, board)
            if abs(board - stop[load]) > 1e-3:
                yield f"{route['route_id']}: {load} at {stop['order_id']} is not {board:.3f}"
        if most > vehicle[capacity] + 1e-6:
            yield f"{route['route_id']}: {most:.3f} over {capacity} {vehicle[capacity]}"


def _skills(route: dict, orders: list[dict], crew: tuple[dict, dict]) -> Iterator[str]:
    able = set(crew[0]["skills"] or ()) | set(crew[1]["skills"] or ())
    for order in orders:
        if not set(order["skills"] or ()) <= able:
            yield f"{route['route_id']}: {order['order_id']} needs {order['skills']}"
        if order["locked_vehicle"] not in (None, route["vehicle_id"]):
            yield f"{route['route_id']}: {order['order_id']} is locked to another vehicle"


def _times(
    config: Config,
    route: dict,
    calls: list[dict],
    orders: list[dict],
    crew: tuple[dict, dict],
    depot: dict,
    speeds: dict[tuple[str, int], float],
) -> Iterator[str]:
    vehicle, driver = crew
    midnight = datetime.combine(config.date, time())
    clock = (route["departs_local"] - midnight).total_seconds()
    if clock < max(driver["shift_start_s"], depot["opens_s"]) - TOLERANCE_S:
        yield f"{route['route_id']}: leaves before the shift or the depot opens"
    here, zone = (depot["lat"], depot["lon"]), route["depot_id"]
    free_mps = config.routes.speed_kmh / 3.6 * (vehicle["speed_factor"] or 1.0)
    distance_m = 0.0

    def drive(to: tuple[float, float], start_s: float) -> tuple[float, float]:
        metres = _haversine_m(here, to) * config.routes.circuity
        return metres, _arrive(metres, start_s, free_mps, zone, speeds)

    for stop, order in zip(calls, orders, strict=True):
        there = (order["lat"], order["lon"])
        metres, arrival = drive(there, clock)
        distance_m += metres
        shown = (stop["arrival_local"] - midnight).total_seconds()
        start = (stop["service_start_local"] - midnight).total_seconds()
        if shown < arrival - TOLERANCE_S:
            yield f"{route['route_id']}: {order['order_id']} reached {arrival - shown:.0f} s early"
        windows = order["windows"] or [{"opens_s": 0, "closes_s": 48 * 3600}]
        if not any(
            w["opens_s"] - TOLERANCE_S <= start <= w["closes_s"] + TOLERANCE_S for w in windows
        ):
            yield f"{route['route_id']}: {order['order_id']} served outside its windows"
        clock = (stop["departure_local"] - midnight).total_seconds()
        if start < shown - TOLERANCE_S or clock < start + order["service_s"] - TOLERANCE_S:
            yield f"{route['route_id']}: {order['order_id']} is served too fast"
        here, zone = there, order["depot_id"]
    metres, back = drive((depot["lat"], depot["lon"]), clock)
    distance_m += metres
    returns = (route["returns_local"] - midnight).total_seconds()
    if returns < back - TOLERANCE_S:
        yield f"{route['route_id']}: returns {back - returns:.0f} s too early"
    if returns > min(driver["shift_end_s"], depot["closes_s"]) + TOLERANCE_S:
        yield f"{route['route_id']}: returns after the shift or the depot's closing"
    if abs(distance_m - route["distance_m"]) > 1 + 0.001 * distance_m:
        yield f"{route['route_id']}: {route['distance_m']:.0f} m shown, {distance_m:.0f} driven"
    if vehicle["range_km"] is not None and distance_m > vehicle["range_km"] * 1000 + 1:
        yield f"{route['route_id']}: beyond the vehicle's range"


def _work(route: dict, calls: list[dict], driver: dict) -> Iterator[str]:
    """Driving time, and a break of break_s after break_after_s of work; a long wait is a break."""
    if driver["max_drive_s"] is not None and route["drive_s"] > driver["max_drive_s"] + TOLERANCE_S:
        yield f"{route['route_id']}: drives longer than {driver['driver_id']} may"
    if driver["break_after_s"] is None:
        return
    fresh = route["departs_local"]
    for arrival, start in (
        *((stop["arrival_local"], stop["service_start_local"]) for stop in calls),
        (route["returns_local"], None),
    ):
        rested = start is not None and (start - arrival).total_seconds() >= (driver["break_s"] or 0)
        if rested or start is None:
            if (arrival - fresh).total_seconds() > driver["break_after_s"] + TOLERANCE_S:
                yield f"{route['route_id']}: works {arrival - fresh} without a break"
            fresh = start


def _haversine_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    h = (
        math.sin((lat2 - lat1) / 2) ** 2
        + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * 6_371_000 * math.asin(math.sqrt(h))


def _arrive(
    metres: float,
    start_s: float,
    free_mps: float,
    depot_id: str,
    speeds: dict[tuple[str, int], float],
) -> float:
    """Drive through the half hours at each one's speed."""
    clock, left = start_s, metres
    while left > 1e-9:
        slot = int(clock // 1800)
        mps = free_mps * speeds.get((depot_id, slot % 48), 1.0)
        until = (slot + 1) * 1800 - clock
        if left <= mps * until:
            return clock + left / mps
        left -= mps * until
        clock = (slot + 1) * 1800
    return clock


# --- workshops -----------------------------------------------------------------------------------


def workshops(config: Config, inputs: Rows) -> Iterator[str]:
    booked = [row for row in read_plan(config, "work_orders") if row["status"] == "booked"]
    shops = {row["workshop_id"]: row for row in inputs["workshops"]}
    technicians = {row["technician_id"]: row for row in inputs["technicians"]}
    assets = [row["asset_id"] for row in booked]
    if len(assets) != len(set(assets)):
        yield "work_orders: an asset is booked twice"
    for who in ("bay", "technician_id"):
        for a in booked:
            for b in booked:
                same = (a["workshop_id"], a[who]) == (b["workshop_id"], b[who])
                if same and a["asset_id"] < b["asset_id"] and _overlap(a, b):
                    yield f"{a['workshop_id']}: {who} {a[who]} has two jobs at once"
    last = config.date + timedelta(days=config.maintenance.schedule_days)
    for job in booked:
        shop = shops[job["workshop_id"]]
        name = f"{job['workshop_id']} {job['asset_id']}"
        if not 1 <= job["bay"] <= shop["bays"]:
            yield f"{name}: there is no bay {job['bay']}"
        if not config.date <= job["start_local"].date() < last:
            yield f"{name}: outside the schedule's days"
        if not _within(job, shop["opens_s"], shop["closes_s"]):
            yield f"{name}: outside opening hours"
        if shop["weekdays"] and job["start_local"].weekday() not in shop["weekdays"]:
            yield f"{name}: the workshop is closed that day"
        if technicians and job["technician_id"] in technicians:
            technician = technicians[job["technician_id"]]
            if technician["workshop_id"] != job["workshop_id"]:
                yield f"{name}: {job['technician_id']} works elsewhere"
            if not _within(job, technician["shift_start_s"], technician["shift_end_s"]):
                yield f"{name}: outside {job['technician_id']}'s shift"
            if technician["skills"] and job["component"] not in technician["skills"]:
                yield f"{name}: {job['technician_id']} cannot repair {job['component']}"
    for part in inputs["parts"]:
        arrives = config.date + timedelta(days=part["lead_time_days"])
        early = [
            job
            for job in booked
            if (job["workshop_id"], job["component"]) == (part["workshop_id"], part["component"])
            and job["start_local"].date() < arrives
        ]
        if len(early) > part["stock"]:
            yield f"{part['workshop_id']}: more {part['component']} fitted than in stock"


def _overlap(a: dict, b: dict) -> bool:
    return bool(a["start_local"] < b["end_local"] and b["start_local"] < a["end_local"])


def _within(job: dict, opens_s: int, closes_s: int) -> bool:
    midnight = datetime.combine(job["start_local"].date(), time())
    start = (job["start_local"] - midnight).total_seconds()
    end = (job["end_local"] - midnight).total_seconds()
    return bool(opens_s <= start < end <= closes_s)


# --- slots ---------------------------------------------------------------------------------------


def slots(config: Config, inputs: Rows) -> Iterator[str]:
    items = {row["sku_id"]: row for row in inputs["items"]}
    before = {(s["warehouse_id"], s["slot_id"]): s for s in inputs["slots"]}
    layout = {key: slot["sku_id"] for key, slot in before.items()}
    after = {
        (s["warehouse_id"], s["slot_id"]): s["sku_id"] for s in read_plan(config, "slots_plan")
    }
    if set(after) != set(before):
        yield "slots_plan: not every slot exactly once"
    moves = sorted(read_plan(config, "moves"), key=lambda m: (m["warehouse_id"], m["move"]))
    per_warehouse: dict[str, int] = {}
    for move in moves:
        warehouse = move["warehouse_id"]
        per_warehouse[warehouse] = per_warehouse.get(warehouse, 0) + 1
        name = f"{warehouse} move {move['move']}"
        target = (warehouse, move["to_slot"])
        if layout[target] is not None:
            yield f"{name}: {move['to_slot']} still holds {layout[target]}"
        if move["from_slot"] is not None:
            origin = (warehouse, move["from_slot"])
            if layout[origin] != move["sku_id"]:
                yield f"{name}: {move['sku_id']} is not in {move['from_slot']}"
            if before[origin]["frozen"]:
                yield f"{name}: {move['from_slot']} is frozen"
            layout[origin] = None
        elif not move["opens_face"] and move["sku_id"] in [
            s for (w, _), s in layout.items() if w == warehouse
        ]:
            yield f"{name}: {move['sku_id']} had a slot already"
        layout[target] = move["sku_id"]
        slot, item = before[target], items.get(move["sku_id"], {})
        if slot["frozen"]:
            yield f"{name}: {move['to_slot']} is frozen"
        if (item.get("storage_class") or "ambient") != slot["storage_class"]:
            yield f"{name}: {item.get('storage_class')} goods into {slot['storage_class']}"
        if (move["payback_days"] or 0.0) > config.slotting.max_payback_days * (1 + 1e-9):
            yield f"{name}: paid back in {move['payback_days']} days only"
        for size, capacity in (("unit_m3", "capacity_m3"), ("unit_kg", "capacity_kg")):
            if (item.get(size) or 0.0) > slot[capacity]:
                yield f"{name}: one unit is over {capacity}"
    for warehouse, number in per_warehouse.items():
        if number > config.slotting.max_moves:
            yield f"{warehouse}: {number} moves, {config.slotting.max_moves} allowed"
    if layout != after:
        yield "slots_plan: not what the moves lead to"


def content(config: Config, table: str) -> pl.DataFrame | None:
    """A night's rows of one table in key order: what two identical nights share."""
    return plan.read_plan(config.plan, table, config.date)
