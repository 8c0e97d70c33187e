"""The tiny fleet and a model trained on it, made once."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from logistics.config import MaintenanceConfig
from logistics.maintenance.inputs import examples, windows
from logistics.maintenance.train import Fit, fit
from logistics.maintenance.windows import Outcomes, SensorWindows
from tests.maintenance import fleet
from tests.settings import config


@pytest.fixture(scope="session")
def options() -> MaintenanceConfig:
    return replace(
        config(Path("nowhere")).maintenance,
        window_days=fleet.WINDOW_DAYS,
        max_train_windows=5000,
        train_steps=150,
        batch_windows=64,
        learning_rate=0.002,
        hidden=16,
        max_alerts=5,
        schedule_days=7,
        solve_seconds=5,
        max_away_share=0.2,
    )


@pytest.fixture(scope="session")
def tables() -> dict[str, pl.DataFrame]:
    return fleet.tables()


@pytest.fixture(scope="session")
def learnt(tables: dict[str, pl.DataFrame]) -> tuple[SensorWindows, Outcomes]:
    return examples(
        tables["telemetry"],
        tables["events"],
        tables["assets"],
        fleet.NIGHT,
        fleet.WINDOW_DAYS,
        at_most=5000,
        seed=1,
    )


@pytest.fixture(scope="session")
def fitted(learnt: tuple[SensorWindows, Outcomes], options: MaintenanceConfig) -> Fit:
    return fit(*learnt, options, seed=5)


@pytest.fixture(scope="session")
def tonight(tables: dict[str, pl.DataFrame]) -> SensorWindows:
    return windows(
        tables["telemetry"],
        tables["events"],
        tables["assets"],
        [fleet.NIGHT],
        fleet.WINDOW_DAYS,
    )
