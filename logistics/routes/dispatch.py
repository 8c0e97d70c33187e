"""What a depot hands out: a map, a manifest per driver, a GPX route per vehicle.

Made of the plan's rows alone, so that a night that is rolled back has its own files again. Knows
the formats; no storage. Positions in GeoJSON are longitude first (RFC 7946); GPX has no local
times, so a stop's time stands in its name.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import quote

import gpxpy.gpx
import polars as pl

from logistics.routes.rows import Row

MAP = "routes.geojson"
_MANIFEST = {
    "run_date": pl.String,
    "route_id": pl.String,
    "vehicle_id": pl.String,
    "driver_id": pl.String,
    "stop": pl.Int64,  # 0: leaving the depot; the last: home again
    "what": pl.String,
    "order_id": pl.String,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "window_start": pl.String,  # of several windows all, "; " between; null: any time
    "window_end": pl.String,
    "eta": pl.String,
    "service_start": pl.String,
    "leaves": pl.String,
    "slack_min": pl.Int64,  # whole minutes: how much later is still within the window
    "load_kg": pl.Float64,  # on board when leaving, the depot too
    "load_m3": pl.Float64,
    "pair_id": pl.String,
}


def handouts(
    run_date: str,
    depot: Row,
    routes: pl.DataFrame,
    stops: pl.DataFrame,
    unserved: pl.DataFrame,
) -> dict[str, bytes]:
    """File name → content. routes, stops, unserved: a depot's rows; depot: its lat and lon."""
    by_route = {
        str(id_): part for (id_,), part in stops.partition_by("route_id", as_dict=True).items()
    }
    drives = [
        (route, by_route[str(route["route_id"])].sort("stop").to_dicts())
        for route in routes.iter_rows(named=True)
    ]
    files = {MAP: _map(depot, drives, unserved)}
    manifests: dict[str, list[Row]] = {}
    for route, calls in drives:
        files[f"{_safe(route['vehicle_id'])}.gpx"] = _gpx(depot, route, calls)
        rows = manifests.setdefault(str(route["driver_id"]), [])
        rows += _manifest(run_date, depot, route, calls)
    for driver, rows in manifests.items():
        loads = pl.col("load_kg").round(1), pl.col("load_m3").round(3)
        manifest = pl.DataFrame(rows, schema=_MANIFEST).with_columns(loads)
        files[f"manifest-{_safe(driver)}.csv"] = manifest.write_csv().encode()
    return files


Drive = tuple[Row, Sequence[Row]]


def _map(depot: Row, drives: Sequence[Drive], unserved: pl.DataFrame) -> bytes:
    features = [_feature("Point", _place(depot), {"what": "depot"})]
    for route, calls in drives:
        line = [_place(depot), *(_place(call) for call in calls)]
        line += [_place(depot)] if _returns(route) else []
        features.append(_feature("LineString", line, {"what": "route", **route}))
        features += [_feature("Point", _place(call), {"what": "stop", **call}) for call in calls]
    for order in unserved.iter_rows(named=True):
        features.append(_feature("Point", _place(order), {"what": "unserved", **order}))
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, default=_time, ensure_ascii=False).encode()


def _feature(kind: str, coordinates: object, properties: Row) -> dict[str, object]:
    told = {name: value for name, value in properties.items() if name not in ("lat", "lon")}
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": told,
    }


def _place(row: Row) -> tuple[float, float]:
    lon, lat = row["lon"], row["lat"]
    assert isinstance(lon, float)
    assert isinstance(lat, float)
    return lon, lat


def _manifest(run_date: str, depot: Row, route: Row, calls: Sequence[Row]) -> Iterator[Row]:
    same = {
        "run_date": run_date,
        **{name: route[name] for name in ("route_id", "vehicle_id", "driver_id")},
    }
    place = {"lat": depot["lat"], "lon": depot["lon"]}
    load = {name: route[f"start_{name}"] for name in ("load_kg", "load_m3")}
    leave = {"stop": 0, "what": "leave", "leaves": _time(route["departs_local"])}
    yield {**same, **place, **load, **leave}
    for call in calls:
        slack_s = call["slack_s"]
        assert slack_s is None or isinstance(slack_s, float)
        yield {
            **same,
            **{
                name: call[name]
                for name in ("stop", "order_id", "lat", "lon", "load_kg", "load_m3", "pair_id")
            },
            "what": call["kind"],
            "window_start": _times(call["windows_local"], "opens"),
            "window_end": _times(call["windows_local"], "closes"),
            "eta": _time(call["arrival_local"]),
            "service_start": _time(call["service_start_local"]),
            "leaves": _time(call["departure_local"]),
            "slack_min": None if slack_s is None else int(slack_s // 60),
        }
    if not _returns(route):
        return
    home = {"stop": len(calls) + 1, "what": "return", "eta": _time(route["returns_local"])}
    yield {**same, **place, **home}


def _gpx(depot: Row, route: Row, calls: Sequence[Row]) -> bytes:
    gpx = gpxpy.gpx.GPX()
    gpx.creator = "logistics"
    drive = gpxpy.gpx.GPXRoute(name=str(route["route_id"]), description=str(route["driver_id"]))
    ends = [
        (f"{_clock(route[column])} depot", depot) for column in ("departs_local", "returns_local")
    ]
    named = [
        (f"{_clock(call['arrival_local'])} {call['order_id'] or call['kind']}", call)
        for call in calls
    ]
    places: list[tuple[str, Row]] = [ends[0], *named, *(ends[1:] if _returns(route) else ())]
    for name, place in places:
        lon, lat = _place(place)
        drive.points.append(gpxpy.gpx.GPXRoutePoint(lat, lon, name=name))
    gpx.routes.append(drive)
    return str(gpx.to_xml(version="1.1")).encode()


def _returns(route: Row) -> bool:
    return route["returns"] is not False


def _times(windows: object, end: str) -> str | None:
    assert windows is None or isinstance(windows, list)
    return "; ".join(_time(window[end]) for window in windows) if windows else None


def _time(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(sep=" ", timespec="seconds")


def _clock(value: object) -> str:
    assert isinstance(value, datetime)
    return f"{value:%H:%M}"


def _safe(name: object) -> str:
    """A file name for any id."""
    return quote(str(name), safe="")
