"""What a night costs, against hand-computed numbers."""

from dataclasses import replace
from pathlib import Path

import pytest

from logistics.cost import Hours, cost
from tests.nights import FORECAST, ROUTES
from tests.settings import config


def test_cost_is_hours_held_times_price(tmp_path: Path) -> None:
    base = config(
        tmp_path,
        "forecast.num_gpus=0.5",
        "watch.price_per_core_hour=0.1",
        "watch.price_per_gpu_hour=4",
    )
    spent = cost(base, {"routes": ROUTES, "forecast": FORECAST})
    assert spent.hours["forecast"] == Hours(core=1.0, gpu=0.5)
    assert spent.hours["routes"] == Hours(core=2.0, gpu=0.0)
    assert spent.price(spent.total) == pytest.approx(3.0 * 0.1 + 0.5 * 4)
    told = "3 core-hours, 0.5 GPU-hours: 2.3 EUR (forecast 2.1, routes 0.2)"
    assert str(spent) == told


def test_a_night_that_computed_nothing_costs_nothing(tmp_path: Path) -> None:
    reused = replace(ROUTES, step_seconds={})
    spent = cost(config(tmp_path), {"routes": reused})
    assert str(spent) == "0 core-hours, 0 GPU-hours: 0 EUR"
