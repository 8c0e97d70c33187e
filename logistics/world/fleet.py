"""Depots, their orders, vehicles, drivers and traffic. Knows nothing of storage or Ray.

A depot's orders fill its vehicles to a chosen share, at every fifth beyond what they can carry.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig

KM_PER_DEGREE = 111.2
TRUCK_SHARE = 0.25
OVERFULL = 1.08  # delivered weight over the fleet's capacity at every fifth depot
MAX_ORDER_KG, MAX_ORDER_M3 = 700.0, 7.0  # a van takes any order
WINDOWS_SCHEMA = pl.List(pl.Struct({"opens_s": pl.Int64, "closes_s": pl.Int64}))


def depot_id(index: int) -> str:
    return f"D{index + 1:03d}"


def vehicle_ids(config: WorldConfig, depot: int) -> list[str]:
    return [f"{depot_id(depot)}-V{i + 1:02d}" for i in range(config.vehicles_per_depot)]


def is_truck(config: WorldConfig) -> NDArray[np.bool_]:
    """Which of any depot's vehicles are trucks: the last quarter."""
    return np.arange(config.vehicles_per_depot) >= round(
        config.vehicles_per_depot * (1 - TRUCK_SHARE)
    )


def depots(config: WorldConfig, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng([seed, 20])
    n = config.num_depots
    return pl.DataFrame(
        {
            "depot_id": [depot_id(i) for i in range(n)],
            "lat": rng.uniform(48.2, 52.8, n).round(5),
            "lon": rng.uniform(7.2, 12.8, n).round(5),
            "opens_s": rng.choice([5, 6], n) * 3600,
            "closes_s": rng.choice([19, 20, 21], n) * 3600,
        }
    )


def vehicles(config: WorldConfig, seed: int, depot: int) -> pl.DataFrame:
    """Vans and trucks; a vehicle is the asset of the same id."""
    rng = np.random.default_rng([seed, 21, depot])
    ids, truck = vehicle_ids(config, depot), is_truck(config)
    n = len(ids)
    skills = [
        [s for s, has in (("cooled", cooled), ("tail_lift", lift)) if has]
        for cooled, lift in zip(rng.random(n) < 0.3, truck | (rng.random(n) < 0.2), strict=True)
    ]
    return pl.DataFrame(
        {
            "vehicle_id": ids,
            "depot_id": [depot_id(depot)] * n,
            "asset_id": [f"A-{vehicle}" for vehicle in ids],
            "capacity_kg": np.where(truck, 3500.0, 950.0),
            "capacity_m3": np.where(truck, 28.0, 9.0),
            "skills": skills,
            "cost_fixed": np.where(truck, 120.0, 70.0),
            "cost_per_km": np.where(truck, 0.75, 0.42).round(2),
            "cost_per_h": np.where(truck, 30.0, 26.0),
            "range_km": np.where(rng.random(n) < 0.2, 220.0, np.nan),
            "speed_factor": np.where(truck, 0.9, 1.0),
            "max_trips": np.ones(n, dtype=np.int64),
        },
        schema_overrides={"skills": pl.List(pl.String)},
    ).with_columns(pl.col("range_km").fill_nan(None))


def drivers(config: WorldConfig, seed: int, depot: int) -> pl.DataFrame:
    """Slightly fewer than vehicles at every third depot; shifts are staggered."""
    rng = np.random.default_rng([seed, 22, depot])
    n = max(config.vehicles_per_depot - (depot % 3 == 2), 1)
    start = rng.choice([6.0, 6.5, 7.0, 8.0, 9.0], n) * 3600
    return pl.DataFrame(
        {
            "driver_id": [f"{depot_id(depot)}-R{i + 1:02d}" for i in range(n)],
            "depot_id": [depot_id(depot)] * n,
            "shift_start_s": start.astype(np.int64),
            "shift_end_s": (start + rng.choice([8, 9], n) * 3600).astype(np.int64),
            "max_drive_s": [8 * 3600] * n,
            "break_after_s": [4 * 3600 + 1800] * n,
            "break_s": [1800] * n,
            "overtime_cost_per_h": [35.0] * n,
        }
    )


def traffic(seed: int, depot: int) -> pl.DataFrame:
    """Speed factor per weekday and half hour: two rush hours, worse at some depots."""
    rng = np.random.default_rng([seed, 23, depot])
    hour = np.arange(48) / 2 + 0.25
    jam = rng.uniform(0.25, 0.55)
    rush = np.exp(-(((hour - 8) / 1.2) ** 2)) + 0.9 * np.exp(-(((hour - 17) / 1.5) ** 2))
    rows = []
    for weekday in range(7):
        strength = jam if weekday < 5 else jam * 0.25
        factor = (1 - strength * rush - 0.12 * strength * ((hour > 6) & (hour < 20))).round(3)
        rows += [(depot_id(depot), weekday, slot, float(factor[slot])) for slot in range(48)]
    columns = {
        "depot_id": pl.String,
        "weekday": pl.Int64,
        "slot": pl.Int64,
        "speed_factor": pl.Float64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def orders(config: WorldConfig, seed: int, depot: int) -> pl.DataFrame:
    """The orders due on the date: addresses cluster in towns, half of them have a window."""
    rng = np.random.default_rng([seed, 24, depot])
    n = max(round(config.orders_per_depot * rng.uniform(0.85, 1.15)), 1)
    lat, lon = _addresses(rng, depots(config, seed), depot, n)
    pickup = rng.random(n) < 0.12
    weight_kg, volume_m3 = _loads(config, seed, rng, depot, ~pickup)
    first, second = _windows(rng, n)
    windowed, twice = rng.random(n) < 0.5, rng.random(n) < 0.1
    windows = [
        ([one, two] if again else [one]) if has else []
        for one, two, has, again in zip(first, second, windowed, twice, strict=True)
    ]
    need = rng.random(n)
    skills = [["cooled"] if u < 0.06 else ["tail_lift"] if u < 0.10 else [] for u in need]
    service_s = 120 + weight_kg * 0.8 + rng.exponential(120, n)
    return pl.DataFrame(
        {
            "order_id": [f"{depot_id(depot)}-O{i + 1:04d}" for i in range(n)],
            "service_date": [config.date] * n,
            "lat": lat.round(5),
            "lon": lon.round(5),
            "kind": np.where(pickup, "pickup", "delivery"),
            "weight_kg": weight_kg,
            "volume_m3": volume_m3,
            "windows": windows,
            "service_s": service_s.astype(np.int64),
            "priority": rng.choice([0, 1, 2, 3], n, p=[0.6, 0.25, 0.1, 0.05]),
            "skills": skills,
        },
        schema_overrides={"windows": WINDOWS_SCHEMA, "skills": pl.List(pl.String)},
    )


def _loads(
    config: WorldConfig,
    seed: int,
    rng: np.random.Generator,
    depot: int,
    delivered: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and volumes whose deliveries fill the depot's vehicles to its share."""
    capacity_kg = float(vehicles(config, seed, depot)["capacity_kg"].sum())
    share = OVERFULL if depot % 5 == 2 else rng.uniform(0.5, 0.88)
    weight = np.exp(rng.normal(0, 0.8, delivered.size))
    weight *= share * capacity_kg / max(float(weight[delivered].sum()), 1e-9)
    weight = weight.clip(1, MAX_ORDER_KG).round(1)
    volume = (weight * rng.uniform(0.003, 0.011, weight.size)).clip(0.001, MAX_ORDER_M3)
    return weight, volume.round(3)


def _addresses(
    rng: np.random.Generator, all_depots: pl.DataFrame, depot: int, n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Towns around the depot, the nearer the bigger; a tenth of the orders lie in between."""
    towns = 8
    distance_km = np.concatenate([[0.0, 4.0], rng.uniform(8, 45, towns - 2)])
    bearing = rng.uniform(0, 2 * np.pi, towns)
    weight = np.exp(-distance_km / 25)
    town = rng.choice(towns, n, p=weight / weight.sum())
    spread_km = np.where(rng.random(n) < 0.1, 12.0, 2.2)
    east = distance_km[town] * np.cos(bearing[town]) + rng.normal(0, spread_km)
    north = distance_km[town] * np.sin(bearing[town]) + rng.normal(0, spread_km)
    lat0, lon0 = float(all_depots["lat"][depot]), float(all_depots["lon"][depot])
    lat = lat0 + north / KM_PER_DEGREE
    return lat, lon0 + east / (KM_PER_DEGREE * np.cos(np.radians(lat0)))


def _windows(rng: np.random.Generator, n: int) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
    """A first window in the morning or at noon, and a second in the afternoon."""
    opens = rng.choice([8, 9, 10, 11, 12], n) * 3600
    length = rng.choice([2, 3, 4], n) * 3600
    later = rng.choice([14, 15], n) * 3600
    first = [
        {"opens_s": int(o), "closes_s": int(min(o + k, 14 * 3600))}
        for o, k in zip(opens, length, strict=True)
    ]
    return first, [{"opens_s": int(o), "closes_s": int(o) + 2 * 3600} for o in later]
