"""Files of routing instances → `Case`. Knows the formats and each set's conventions; no solver."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import vrplib
from numpy.typing import NDArray
from routes_case import Case, Clock, Floats, Vehicle

_NONE = 10.0**9  # beyond every window and limit
# What a damaged file makes NumPy, JSON, gzip and vrplib raise beside ValueError.
_FAULTS = (LookupError, TypeError, AttributeError, RuntimeError, StopIteration, OSError, EOFError)
_EARTH_RADIUS_M = 6_371_000.0
_SLOTS = 60  # of the Lyon instances' day


@dataclass(frozen=True, slots=True)
class Convention:
    """How a set rounds lengths (to 1/steps, up to down or near), and its unit of cost."""

    rounding: Callable[[Floats], Floats]
    steps: int
    cost_scale: float = 1.0


def _truncated(lengths: Floats) -> Floats:
    return np.floor(10 * lengths + 1e-9) / 10


def _thousandths(lengths: Floats) -> Floats:
    return np.rint(1000 * lengths) / 1000


def _as_given(lengths: Floats) -> Floats:
    return lengths


CONVENTIONS = {
    "cvrp_x": Convention(np.rint, 1),
    "cvrp_belgium_xxl": Convention(np.rint, 1),
    "vrptw_solomon": Convention(_truncated, 10),
    "vrptw_gh": Convention(_truncated, 10),
    "vrptw_gh1000": Convention(_truncated, 10),
    "hfvrp": Convention(_thousandths, 1000, 0.01),
    "mdvrptw": Convention(_thousandths, 1000, 1000),
    "mtvrptw_release": Convention(_truncated, 10, 10),
    "pcvrptw": Convention(_truncated, 10, 10),
    "mdvrp_cordeau": Convention(_as_given, 1000),
    "pdptw_lilim": Convention(_as_given, 1000),
    "hvrp_dlp_road": Convention(_as_given, 1000),
    "loggibud": Convention(np.rint, 1),
    "tdvrptw_lyon": Convention(_as_given, 1),
}


def instances(folder: Path) -> list[tuple[str, str, Path]]:
    """(set, name, file) of every instance below the folder, sorted; solutions are not instances."""
    files = [
        Path(at) / name for at, _, names in os.walk(folder, followlinks=True) for name in names
    ]
    found = [
        (path.relative_to(folder).parts[0], _name(path.relative_to(folder)), path)
        for path in files
        if len(path.relative_to(folder).parts) > 1
        if path.suffix in (".vrp", ".txt") or (path.suffix == ".json" and ".bks." not in path.name)
    ]
    return sorted(found)


def _name(path: Path) -> str:
    """The name as bks.json has it after the set: subfolders kept, suffixes off."""
    return str(
        path.relative_to(path.parts[0]).with_name(path.name.removesuffix(".json")).with_suffix("")
    )


def read(set_: str, name: str, path: Path) -> Case:
    """The instance in a file. Raises ValueError, saying what is wrong, when it cannot be read."""
    if set_ not in CONVENTIONS:
        raise ValueError(f"the set {set_} is not known; one of {', '.join(sorted(CONVENTIONS))}")
    readers: dict[str, Callable[[str, str, Path], Case]] = {
        "pdptw_lilim": _li_lim,
        "mdvrp_cordeau": _cordeau,
        "hvrp_dlp_road": _road,
        "tdvrptw_lyon": _lyon,
        "loggibud": _loggibud,
        "vrptw_solomon": _solomon,
        "vrptw_gh": _solomon,
    }
    reader = _vrplib if path.suffix == ".vrp" else readers.get(set_, _solomon)
    try:
        case = reader(set_, name, path)
    except _FAULTS as fault:
        raise ValueError(f"{type(fault).__name__}: {fault}") from None
    if case.num_clients < 1 or not np.isfinite(case.demand).all():
        raise ValueError("no clients, or a demand that is not a number")
    return case


def _case(
    set_: str,
    name: str,
    distance: Floats,
    demand: Sequence[float] | Floats,
    vehicles: tuple[Vehicle, ...],
) -> Case:
    """A case of one depot without windows, service, releases and prizes."""
    convention, zero = CONVENTIONS[set_], np.zeros(len(distance))
    return Case(
        set=set_,
        name=name,
        num_depots=1,
        distance=distance,
        demand=np.array(demand, dtype=float),
        windows=np.tile([0.0, _NONE], (len(distance), 1)),
        service=zero,
        release=zero,
        prize=zero,
        vehicles=vehicles,
        steps=convention.steps,
        cost_scale=convention.cost_scale,
    )


def _euclidean(set_: str, places: NDArray[Any]) -> Floats:
    offsets = places[:, None, :] - places[None, :, :]
    return CONVENTIONS[set_].rounding(np.hypot(offsets[..., 0], offsets[..., 1]))


def _vrplib(set_: str, name: str, path: Path) -> Case:
    """VRPLIB, and PyVRP's sections for depots, reloads, releases, prizes and mixed fleets."""
    raw = vrplib.read_instance(path, compute_edge_weights=False)
    n, num_depots = raw["dimension"], len(raw["depot"])
    if len(raw["node_coord"]) != n or len(raw["demand"]) != n:
        raise ValueError(f"DIMENSION is {n}, but the sections have other lengths")
    service = np.broadcast_to(np.asarray(raw.get("service_time", 0.0), dtype=float), n).copy()
    service[:num_depots] = 0.0
    distance = _euclidean(set_, np.asarray(raw["node_coord"], dtype=float))
    case = _case(set_, name, distance, raw["demand"], _vehicles(raw, n - num_depots))
    return replace(
        case,
        num_depots=num_depots,
        service=service,
        windows=np.asarray(raw.get("time_window", case.windows), dtype=float),
        release=np.asarray(raw.get("release_time", case.release), dtype=float),
        prize=np.asarray(raw.get("prize", case.prize), dtype=float),
    )


def _vehicles(raw: dict[str, Any], num_clients: int) -> tuple[Vehicle, ...]:
    """The vehicles of a file, which lists them one by one, by kind in the order of first sight."""
    num = int(raw.get("vehicles", num_clients))

    def each(section: str, default: float) -> list[float]:
        values = np.broadcast_to(np.asarray(raw.get(section, default), dtype=float), num)
        return [float(value) for value in values]

    kinds = Counter(
        zip(
            each("capacity", _NONE),
            each("vehicles_depot", 1),
            each("vehicles_fixed_cost", 0),
            each("vehicles_unit_distance_cost", 1),
            each("vehicles_max_duration", np.inf),
            strict=True,
        )
    )
    reloads = "vehicles_reload_depot" in raw
    return tuple(
        Vehicle(count, capacity, int(depot) - 1, fixed, per_unit, duration, reloads)
        for (capacity, depot, fixed, per_unit, duration), count in kinds.items()
    )


def _numbers(lines: list[str]) -> list[list[float]]:
    return [[float(part) for part in line.split()] for line in lines if line.strip()]


def _solomon(set_: str, name: str, path: Path) -> Case:
    lines = path.read_text().splitlines()
    heads = [k for k, line in enumerate(lines) if line.split()[:1] == ["NUMBER"]]
    if not heads:
        raise ValueError("no line begins with NUMBER: not Solomon's format")
    num, capacity = (float(part) for part in lines[heads[0] + 1].split())
    first = next(k for k, line in enumerate(lines) if line.split()[:2] == ["CUST", "NO."]) + 1
    rows = np.array(_numbers(lines[first:]))
    return _timed(set_, name, rows, Vehicle(int(num), capacity))


def _timed(set_: str, name: str, rows: Floats, vehicle: Vehicle) -> Case:
    """Rows of number, x, y, demand, opens, closes, service, as Solomon and Li and Lim have them."""
    case = _case(set_, name, _euclidean(set_, rows[:, 1:3]), rows[:, 3], (vehicle,))
    return replace(case, windows=rows[:, 4:6], service=rows[:, 6])


def _li_lim(set_: str, name: str, path: Path) -> Case:
    head, *body = _numbers(path.read_text().splitlines())
    case = _timed(set_, name, np.array(body), Vehicle(int(head[0]), head[1]))
    return replace(case, pairs=tuple((int(row[0]), int(row[8])) for row in body[1:] if row[8] > 0))


def _cordeau(set_: str, name: str, path: Path) -> Case:
    """Cordeau's, types 2 (several depots) and 6 (with windows): the depots come last."""
    rows = _numbers(path.read_text().splitlines())
    kind, per_depot, num_clients, num_depots = (int(value) for value in rows[0])
    if kind not in (2, 6):
        raise ValueError(f"type {kind} of Cordeau's format is not read (2 and 6 are)")
    limits, nodes = rows[1 : 1 + num_depots], rows[1 + num_depots :]
    nodes = nodes[num_clients : num_clients + num_depots] + nodes[:num_clients]
    windows = [row[-2:] if kind == 6 else [0.0, _NONE] for row in nodes]
    vehicles = tuple(
        Vehicle(per_depot, capacity or _NONE, depot, max_duration=duration or np.inf)
        for depot, (duration, capacity) in enumerate(limits)
    )
    distance = _euclidean(set_, np.array([row[1:3] for row in nodes]))
    return replace(
        _case(set_, name, distance, [row[4] for row in nodes], vehicles),
        num_depots=num_depots,
        windows=np.array(windows),
        service=np.array([row[3] for row in nodes]),
    )


def _road(set_: str, name: str, path: Path) -> Case:
    """Duhamel, Lacomme and Prodhon's: kinds of vehicles, a matrix of metres, demands."""
    lines = path.read_text(errors="replace").splitlines()
    rows = _numbers([line.split("//")[0] for line in lines])
    num_clients, num_kinds = int(rows[0][0]), int(rows[0][1])
    vehicles = tuple(
        Vehicle(int(num), capacity, 0, fixed, per_unit)
        for num, capacity, fixed, per_unit in rows[1 : 1 + num_kinds]
    )
    first = 2 + num_kinds
    metres = np.array(rows[first : first + num_clients + 1])
    demand = {int(node): load for node, load in rows[first + num_clients + 1 :]}
    loads = [0.0, *(demand[node] for node in range(1, num_clients + 1))]
    return _case(set_, name, metres / 1000, loads, vehicles)


def _loggibud(set_: str, name: str, path: Path) -> Case:
    """Parcels at latitudes and longitudes: great-circle metres."""
    raw = json.loads(path.read_text())
    points = [raw["origin"], *(delivery["point"] for delivery in raw["deliveries"])]
    lat, lon = np.radians([[p["lat"], p["lng"]] for p in points]).T
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    metres = np.rint(2 * _EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0))))
    demand = [0.0, *(float(delivery["size"]) for delivery in raw["deliveries"])]
    return _case(set_, name, metres, demand, (Vehicle(len(demand), raw["vehicle_capacity"]),))


def _lyon(set_: str, name: str, path: Path) -> Case:
    """MAMUT's: arrival-time functions per arc in a file beside it; the cost is time on the road."""
    raw = json.loads(path.read_text())
    with gzip.open(path.parent / raw["td"]["atf_path"], "rt") as file:
        atf = json.load(file)
    arcs = {(a, b): (np.array(at), np.array(to)) for a, b, at, to in atf["arcs"]}
    n = len(raw["demands"])
    seconds = np.zeros((n, n))
    for (a, b), (at, to) in arcs.items():
        seconds[a, b] = float(np.mean(to - at))
    vehicle = Vehicle(raw["num_vehicles"], raw["vehicle_capacity"])
    return replace(
        _case(set_, name, seconds, raw["demands"], (vehicle,)),
        windows=np.array(raw["time_windows"], dtype=float),
        service=np.array(raw["service_times"], dtype=float),
        clock=Clock(arcs, raw["horizon"][1], raw["horizon"][1] / _SLOTS),
    )
