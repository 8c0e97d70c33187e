"""A depot's (or pool's) checked tables → its `DepotProblem`. Knows polars and tables; no solver."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import RoutesConfig
from logistics.routes.crews import crews_of
from logistics.routes.fit import SLOTS, Pace, fit
from logistics.routes.problem import Crew, Depot, DepotProblem, Order, TimeWindow
from logistics.routes.rows import PLACE, Row, real, skills, whole
from logistics.routes.travel import Roads, Travel, haversine_m
from logistics.routes.zones import ZoneTravel


def problem(
    tables: Mapping[str, pl.DataFrame],
    depot_id: str,
    kept_back: Collection[str],
    run_date: date,
    config: RoutesConfig,
    roads: Roads | None = None,
    mates: Sequence[str] = (),
) -> DepotProblem:
    """The routing problem of one depot on run_date; orders of other days are not in it.

    tables: orders, depots, vehicles, drivers, traffic, trips and travel_times, of this or of all
    depots, and last_stops: the stops of the depot's last plan. kept_back: ids of vehicles that must
    stay. roads: between `places_of` the depot, from a routing service. mates: the other depots of
    its pool, whose orders and vehicles are in it, too. Raises ValueError for a depot that is not in
    depots.
    """
    ids = (depot_id, *mates)
    mine = {name: frame.filter(pl.col("depot_id").is_in(ids)) for name, frame in tables.items()}
    depots, rows = [_depot(tables, id_) for id_ in ids], _orders_of(tables, ids, run_date)
    vehicles = mine["vehicles"].filter(~pl.col("vehicle_id").is_in(sorted(kept_back)))
    orders = _alike(tuple(_order(row, depots, config) for row in rows.iter_rows(named=True)))
    crews = tuple(
        replace(crew, depot=number)
        for number, (id_, depot) in enumerate(zip(ids, depots, strict=True))
        for crew in crews_of(
            vehicles.filter(depot_id=id_), mine["drivers"].filter(depot_id=id_), depot, orders
        )
    )
    if config.change_cost:
        orders = _with_usual_vehicles(orders, rows, mine["last_stops"], crews)
    first, *others = (
        Depot(id_, whole(depot["opens_s"]), whole(depot["closes_s"]))
        for id_, depot in zip(ids, depots, strict=True)
    )
    return DepotProblem(
        depot_id=first.id,
        opens_s=first.opens_s,
        closes_s=first.closes_s,
        orders=orders,
        crews=crews,
        travel=_travel(rows, depots, mine, run_date, config, roads),
        kept_back=frozenset(kept_back),
        change_cost=config.change_cost,
        balance_cost=config.balance_cost,
        mates=tuple(others),
    )


def places_of(
    tables: Mapping[str, pl.DataFrame], depot_id: str, run_date: date, mates: Sequence[str] = ()
) -> list[tuple[float, float]]:
    """(lat, lon) of the depot, its pool's and their orders of the day, as the problem has them."""
    ids = (depot_id, *mates)
    depots = [_depot(tables, id_) for id_ in ids]
    lat, lon = _places(_orders_of(tables, ids, run_date), depots)
    return list(zip(lat.tolist(), lon.tolist(), strict=True))


def _places(
    orders: pl.DataFrame, depots: Sequence[Row]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, *others = depots
    lat, lon = (
        np.array([first[name], *orders[name], *(depot[name] for depot in others)], np.float64)
        for name in ("lat", "lon")
    )
    return lat, lon


def _depot(tables: Mapping[str, pl.DataFrame], depot_id: str) -> Row:
    found = tables["depots"].filter(depot_id=depot_id)
    if found.is_empty():
        raise ValueError(f"orders: depot {depot_id} is not in the depots table; add its row")
    return found.row(0, named=True)


def _orders_of(
    tables: Mapping[str, pl.DataFrame], depot_ids: Sequence[str], run_date: date
) -> pl.DataFrame:
    of_these = tables["orders"].filter(pl.col("depot_id").is_in(depot_ids), service_date=run_date)
    return of_these.sort("order_id", "depot_id")


def _order(row: Row, depots: Sequence[Row], config: RoutesConfig) -> Order:
    priority = whole(row["priority"])
    number = [depot["depot_id"] for depot in depots].index(row["depot_id"])
    return Order(
        id=str(row["order_id"]),
        weight_mg=_ceil(row["weight_kg"], 1e6),
        volume_mm3=_ceil(row["volume_m3"], 1e9),
        windows=_windows(row["windows"], depots[number]),
        service_s=whole(row["service_s"]),
        penalty=config.drop_penalty + priority * config.drop_penalty_per_priority,
        priority=priority,
        pickup=row["kind"] == "pickup",
        skills=skills(row["skills"]),
        locked_vehicle=None if row["locked_vehicle"] is None else str(row["locked_vehicle"]),
        parcels=whole(row["parcels"]),
        pair=None if row["pair_id"] is None else str(row["pair_id"]),
        depot=number,
        own_depot_only=row["own_depot_only"] is True,
    )


def _alike(orders: Sequence[Order]) -> tuple[Order, ...]:
    """Each delivery of a pair with the load of its pickup: these are the goods that it brings."""
    collected = {order.pair: order for order in orders if order.pickup and order.pair is not None}
    loads = [order if order.pair is None else collected.get(order.pair, order) for order in orders]
    return tuple(
        replace(order, weight_mg=it.weight_mg, volume_mm3=it.volume_mm3, parcels=it.parcels)
        for order, it in zip(orders, loads, strict=True)
    )


def _with_usual_vehicles(
    orders: Sequence[Order], rows: pl.DataFrame, last_stops: pl.DataFrame, crews: Sequence[Crew]
) -> tuple[Order, ...]:
    """Each with the vehicle it names, or that was at its place last, when it is out today."""
    last = last_stops.sort("vehicle_id").unique(PLACE, keep="first", maintain_order=True)
    last = last.select(*PLACE, pl.col("vehicle_id").alias("last_vehicle"))
    known = rows.select("usual_vehicle", *PLACE).join(
        last, on=["lat", "lon"], how="left", maintain_order="left"
    )
    usual = known.select(pl.coalesce("usual_vehicle", "last_vehicle")).to_series()
    out = {crew.vehicle_id for crew in crews}
    return tuple(
        replace(order, usual_vehicle=vehicle if vehicle in out else None)
        for order, vehicle in zip(orders, usual, strict=True)
    )


def _windows(windows: object, depot: Row) -> tuple[TimeWindow, ...]:
    """Disjoint and in order; without any, the depot's hours."""
    if not windows:
        return (TimeWindow(whole(depot["opens_s"]), whole(depot["closes_s"])),)
    assert isinstance(windows, list)
    merged: list[TimeWindow] = []
    for window in sorted(TimeWindow(w["opens_s"], w["closes_s"]) for w in windows):
        if merged and window.opens_s <= merged[-1].closes_s:
            last = merged.pop()
            window = TimeWindow(last.opens_s, max(last.closes_s, window.closes_s))
        merged.append(window)
    return tuple(merged)


def _travel(
    rows: pl.DataFrame,
    depots: Sequence[Row],
    mine: Mapping[str, pl.DataFrame],
    run_date: date,
    config: RoutesConfig,
    roads: Roads | None,
) -> Travel | ZoneTravel:
    """Road lengths and free-flow times, and the speeds of the run date's weekday.

    What a service knows replaces the great circle, and a given matrix both, arc by arc; the
    traffic, of the table or of past trips, slows them all. After midnight the same day's slots are
    used again. Among several depots a leg has the pace of the one whose order, or which, it begins
    at.
    """
    first, *others = (str(depot["depot_id"]) for depot in depots)
    of_nodes = [first, *rows["depot_id"], *others]
    zone_of = np.array([[first, *others].index(id_) for id_ in of_nodes])
    paces = [_pace(mine, id_, run_date, config) for id_ in (first, *others)]
    circuity = np.array([pace.circuity for pace in paces])[zone_of, None]
    metres = haversine_m(*_places(rows, depots)) * circuity
    base_s = metres / np.array([pace.speed_kmh / 3.6 for pace in paces])[zone_of, None]
    if roads is not None:
        known = np.isfinite(roads.distance_m) & np.isfinite(roads.duration_s)
        metres = np.where(known, roads.distance_m, metres)
        base_s = np.where(known, roads.duration_s, base_s)
    _lay(mine["travel_times"], rows, depots, metres, base_s)
    np.fill_diagonal(metres, 0.0)
    np.fill_diagonal(base_s, 0.0)
    factors = tuple(pace.factors * 2 for pace in paces)
    distance_m = np.rint(metres).astype(np.int64)
    if len(set(factors)) == 1:
        return Travel(distance_m, base_s, factors[0])
    return ZoneTravel(distance_m, base_s, tuple(zone_of.tolist()), factors)


def _pace(
    mine: Mapping[str, pl.DataFrame], depot_id: str, run_date: date, config: RoutesConfig
) -> Pace:
    day = mine["traffic"].filter(depot_id=depot_id, weekday=run_date.weekday())
    given = np.ones(SLOTS)
    given[day["slot"].to_numpy()] = day["speed_factor"].to_numpy()
    default = Pace(config.circuity, config.speed_kmh, tuple(given.tolist()))
    trips = mine["trips"].filter(depot_id=depot_id)
    return fit(trips, run_date, default, None if day.is_empty() else given)


def _lay(
    given: pl.DataFrame,
    rows: pl.DataFrame,
    depots: Sequence[Row],
    metres: NDArray[np.float64],
    base_s: NDArray[np.float64],
) -> None:
    """Put the given arcs into the matrices; each depot's may name what is another's of its pool."""
    ids = [str(depot["depot_id"]) for depot in depots]
    bases = [0, *range(rows.height + 1, rows.height + len(ids))]
    owners = pl.DataFrame(
        {
            "owner": [*ids, *ids, *rows["depot_id"]],
            "id": [*[""] * len(ids), *ids, *rows["order_id"]],
            "node": [*bases, *bases, *range(1, rows.height + 1)],
        },
        schema={"owner": pl.String, "id": pl.String, "node": pl.Int64},
    )
    # What a depot calls by an id is its own, where it has that; "" is always its own.
    nodes = pl.concat(
        [
            owners.filter((pl.col("id") != "") | (pl.col("owner") == id_))
            .sort(pl.col("owner") != id_, maintain_order=True)
            .unique("id", keep="first", maintain_order=True)
            .select(pl.lit(id_).alias("depot_id"), "id", "node")
            for id_ in ids
        ]
    )
    arcs = given.join(
        nodes.rename({"id": "from_id", "node": "start"}),
        on=["depot_id", "from_id"],
        maintain_order="left",
    ).join(
        nodes.rename({"id": "to_id", "node": "end"}),
        on=["depot_id", "to_id"],
        maintain_order="left",
    )
    start, end = arcs["start"].to_numpy(), arcs["end"].to_numpy()
    metres[start, end], base_s[start, end] = arcs["distance_m"], arcs["duration_s"]


def _ceil(value: object, scale: float) -> int:
    """Rounded up, but for the noise of decimal fractions."""
    return ceil(real(value) * scale - 1e-3)
