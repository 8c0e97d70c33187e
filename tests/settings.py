"""The configs the tests run with, composed from conf/ like any run's."""

import threading
from pathlib import Path

from logistics.config import Config, parse
from logistics.outcome import Night
from logistics.run import compose_config


def config(folder: Path, *overrides: str) -> Config:
    """A run's config over folder/lake and folder/plan."""
    return parse(
        compose_config(
            [f"lake={folder}/lake", f"plan={folder}/plan", "date=2026-03-02", *overrides]
        )
    )


SMALL = (
    "world.num_dcs=2",
    "world.skus_per_dc=40",
    "world.num_depots=2",
    "world.orders_per_depot=40",
    "world.num_assets=60",
    "world.num_warehouses=2",
    "world.slots_per_warehouse=150",
    "world.dirty_share=0.002",
    "deterministic=true",
    "forecast.train_steps=30",
    "maintenance.train_steps=60",
    "maintenance.solve_deterministic_time=0.5",
    "routes.iterations_per_depot=50",
)


def quiet(what: str, done: int, total: int) -> None:
    """Nobody watches a test."""


def planned(company: Config) -> Night:
    """The night of a company, on the Ray that is running."""
    from logistics import night

    return night.run_night(company, quiet, threading.Event())
