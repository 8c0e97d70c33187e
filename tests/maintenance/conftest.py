"""The tiny fleet and a model trained on it, made once."""

import polars as pl
import pytest

from logistics.config import MaintenanceConfig
from logistics.maintenance.inputs import examples, windows
from logistics.maintenance.train import Fit, fit
from logistics.maintenance.windows import Outcomes, SensorWindows
from tests.maintenance import fleet


@pytest.fixture(scope="session")
def options() -> MaintenanceConfig:
    return MaintenanceConfig(
        window_days=fleet.WINDOW_DAYS,
        memory_days=7,
        max_train_windows=5000,
        train_steps=150,
        batch_windows=64,
        learning_rate=0.002,
        hidden=16,
        at_risk_p7=0.2,
        max_alerts=5,
        schedule_days=7,
        job_hours=3,
        solve_seconds=5,
        solve_deterministic_time=5,
        max_away_share=0.2,
        cost_of_failure=2000,
        cost_of_service=300,
        actors=1,
        num_gpus=0,
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
