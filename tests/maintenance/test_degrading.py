"""Less is known, the answers get worse: gently, in order, and without a failure."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from logistics.maintenance import inputs, windows
from logistics.maintenance.model import predict
from logistics.maintenance.survival import LIFE_CAP_DAYS
from logistics.maintenance.train import Fit
from logistics.maintenance.windows import SensorWindows
from tests.maintenance import fleet

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def unseen() -> Tables:
    """Assets that no model was trained on."""
    return fleet.tables(num_assets=60, seed=8)


def error(fitted: Fit, found: SensorWindows) -> float:
    """Root mean squared error of the expected life, in days."""
    left = np.minimum(fleet.lives(num_assets=60, seed=8), LIFE_CAP_DAYS)
    return float(np.sqrt(np.mean((predict(fitted.model, found).life_days - left) ** 2)))


def tonight(tables: Tables) -> SensorWindows:
    telemetry, events, assets = (tables[name] for name in ("telemetry", "events", "assets"))
    return inputs.windows(telemetry, events, assets, [fleet.NIGHT], fleet.WINDOW_DAYS)


def test_the_error_rises_as_sensors_drop(fitted: Fit, unseen: Tables) -> None:
    whole = tonight(unseen)
    known = (["heat", "noise", "current"], ["noise", "current"], ["noise"], [])
    errors = [error(fitted, windows.select(whole, names, whole.components)) for names in known]
    # Current follows heat, so that without heat the answer may be as good.
    assert errors[0] < errors[1] * 1.02
    assert errors[1] < errors[2] <= errors[3] * 1.1
    assert errors[1] < 0.8 * errors[3], "what is left still tells"


def test_irregular_readings_cost_little(fitted: Fit, unseen: Tables) -> None:
    some = unseen["telemetry"].sample(fraction=0.3, seed=1)
    assert error(fitted, tonight(unseen | {"telemetry": some})) < 1.5 * error(
        fitted, tonight(unseen)
    )


def test_short_histories_tell_less_but_something(fitted: Fit, unseen: Tables) -> None:
    def of_the_last(days: int) -> float:
        since = pl.col("at") >= pl.lit(fleet.NIGHT - timedelta(days=days)).cast(pl.Datetime("us"))
        return error(fitted, tonight(unseen | {"telemetry": unseen["telemetry"].filter(since)}))

    whole, *short, nothing = (of_the_last(days) for days in (60, 8, 2, 0))
    assert whole <= min(short)
    assert max(short) < nothing


def test_a_new_asset_without_a_past_is_told_by_its_sensors(fitted: Fit, unseen: Tables) -> None:
    new = unseen | {
        "assets": unseen["assets"].drop("in_service").with_columns(kind=pl.lit("newcomer")),
        "events": unseen["events"].clear(),
    }
    assert error(fitted, tonight(new)) < 2 * error(fitted, tonight(unseen))


def test_lives_that_were_cut_short_are_learnt_from(fitted: Fit, unseen: Tables) -> None:
    """Censored windows are most of a fleet's; they say how long assets like these last."""
    ends = fitted.scores["life RMSE 30 d"], fitted.scores["by age"]
    assert ends[0] < ends[1]
