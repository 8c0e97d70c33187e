"""Assets, where they live and who repairs them. Knows nothing of storage or Ray.

The simulation of each site's assets runs FUTURE_DAYS beyond the date, so what is to come is known.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from logistics.config import WorldConfig
from logistics.world import fleet, warehouse
from logistics.world.telemetry import next_failures, observe
from logistics.world.wear import COMPONENTS, live

FUTURE_DAYS = 60
ASSETS_PER_BAY = 80
ASSETS_PER_CHUNK = 100  # bounds a task's memory: 100 × 1440 hours × 8 bytes is 1 MB an array


@dataclass(frozen=True, slots=True)
class Site:
    """Where assets live: a depot's vehicles or a warehouse's machines."""

    site_id: str
    index: int
    kinds: tuple[str, ...]
    asset_ids: tuple[str, ...]


def sites(config: WorldConfig) -> list[Site]:
    """Every depot with its vehicles, every warehouse with a share of the other assets."""
    found = []
    for depot in range(config.num_depots):
        truck = fleet.is_truck(config)
        kinds = tuple("truck" if t else "van" for t in truck)
        ids = tuple(f"A-{vehicle}" for vehicle in fleet.vehicle_ids(config, depot))
        found.append(Site(fleet.depot_id(depot), depot, kinds, ids))
    rest = max(config.num_assets - config.num_depots * config.vehicles_per_depot, 0)
    for index in range(config.num_warehouses):
        n = rest // config.num_warehouses + (index < rest % config.num_warehouses)
        kinds = tuple("forklift" if i % 5 < 3 else "conveyor" for i in range(n))
        home = warehouse.warehouse_id(index)
        ids = tuple(f"A-{home}-M{i + 1:03d}" for i in range(n))
        found.append(Site(home, config.num_depots + index, kinds, ids))
    return found


def workshop_id(site: Site) -> str:
    """Three sites share a workshop."""
    return f"W{site.index // 3 + 1:02d}"


def assets(config: WorldConfig, seed: int, site: Site) -> pl.DataFrame:
    rng = np.random.default_rng([seed, 30, site.index])
    n = len(site.asset_ids)
    age = rng.integers(100, 3000, n)
    big = np.array([kind in ("truck", "conveyor") for kind in site.kinds], dtype=bool)
    return pl.DataFrame(
        {
            "asset_id": list(site.asset_ids),
            "site_id": [site.site_id] * n,
            "kind": list(site.kinds),
            "model": [
                f"{kind}-{m}" for kind, m in zip(site.kinds, rng.integers(1, 4, n), strict=True)
            ],
            "in_service": [config.date - timedelta(days=int(days)) for days in age],
            "workshop_id": [workshop_id(site)] * n,
            "cost_of_failure": np.where(big, 3500.0, 1800.0) * rng.choice([0.8, 1.0, 1.3], n),
            "cost_of_service": np.where(big, 450.0, 260.0),
        },
        schema_overrides={"asset_id": pl.String, "kind": pl.String, "model": pl.String},
    )


def workshops(config: WorldConfig) -> dict[str, pl.DataFrame]:
    """workshops, technicians and parts of the company; bays and staff grow with the assets."""
    homes = pl.DataFrame(
        [(workshop_id(site), len(site.asset_ids)) for site in sites(config)],
        schema=["workshop_id", "assets"],
        orient="row",
    )
    sizes = homes.group_by("workshop_id").agg(pl.col("assets").sum()).sort("workshop_id")
    ids = sizes["workshop_id"].to_list()
    bays = [max(2, -(-assets // ASSETS_PER_BAY)) for assets in sizes["assets"]]
    components = sorted({component for kind in COMPONENTS.values() for component in kind})
    return {
        "workshops": pl.DataFrame(
            {
                "workshop_id": ids,
                "bays": bays,
                "opens_s": [7 * 3600] * len(ids),
                "closes_s": [19 * 3600] * len(ids),
                "weekdays": [[0, 1, 2, 3, 4, 5]] * len(ids),
            }
        ),
        "technicians": _technicians(ids, bays, components),
        "parts": pl.DataFrame(
            [
                (shop, component, (i * 7 + j * 3) % 6 * bays[i] // 2, 2 + (i + j) % 5)
                for i, shop in enumerate(ids)
                for j, component in enumerate(components)
            ],
            schema=["workshop_id", "component", "stock", "lead_time_days"],
            orient="row",
        ),
    }


def _technicians(ids: list[str], bays: list[int], components: list[str]) -> pl.DataFrame:
    """Two for each bay: all-rounders, and specialists of half the components each."""
    half = len(components) // 2
    crews = ((7, None), (9, None), (8, components[:half]), (10, components[half:]))
    staff = [
        (f"{shop}-T{i + 1}", shop, start * 3600, (start + 9) * 3600, skills)
        for shop, num_bays in zip(ids, bays, strict=True)
        for i in range(2 * num_bays)
        for start, skills in [crews[i % len(crews)]]
    ]
    columns: dict[str, pl.DataType | type[pl.DataType]] = {
        "technician_id": pl.String,
        "workshop_id": pl.String,
        "shift_start_s": pl.Int64,
        "shift_end_s": pl.Int64,
        "skills": pl.List(pl.String),
    }
    return pl.DataFrame(staff, schema=columns, orient="row")


def histories(config: WorldConfig, seed: int, site: Site) -> dict[str, pl.DataFrame]:
    """telemetry and events of a site before the date, and the truth after it.

    truth: each asset's next failure and its component within FUTURE_DAYS of the date, else null.
    """
    rng = np.random.default_rng([seed, 31, site.index])
    past = config.telemetry_days
    weekdays = (np.arange(past + FUTURE_DAYS) - past + config.date.weekday()) % 7
    parts: dict[str, list[pl.DataFrame]] = {"telemetry": [], "events": [], "truth": []}
    for kind in sorted(set(site.kinds)):
        of_kind = [a for a, k in zip(site.asset_ids, site.kinds, strict=True) if k == kind]
        for first in range(0, len(of_kind), ASSETS_PER_CHUNK):
            ids = of_kind[first : first + ASSETS_PER_CHUNK]
            lives = live(rng, kind, len(ids), weekdays)
            seen = observe(rng, kind, ids, lives, config.date, past)
            parts["telemetry"].append(seen["telemetry"])
            parts["events"].append(seen["events"])
            parts["truth"].append(next_failures(kind, ids, lives, config.date, past))
    # Kinds have different sensors; those of the others are null.
    return {name: pl.concat(frames, how="diagonal") for name, frames in parts.items()}
