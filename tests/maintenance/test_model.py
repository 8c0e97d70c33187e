"""Laws of the risk model, on a tiny fleet whose truth is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from logistics.config import MaintenanceConfig
from logistics.maintenance import survival, windows
from logistics.maintenance.features import SENSOR_FEATURES
from logistics.maintenance.model import dumps, loads, predict
from logistics.maintenance.risk import Risk
from logistics.maintenance.train import MIN_FAILURES, Fit, fit, fleet_rates
from logistics.maintenance.windows import Outcomes, SensorWindows

STEPS = hnp.arrays(np.float64, (6, len(survival.WIDTHS_DAYS)), elements=st.floats(1e-7, 2.0))


def ordered(risk: Risk) -> bool:
    in_range = (risk.p_fail_7d >= 0).all() and (risk.p_fail_30d <= 1).all()
    rising = (risk.p_fail_7d <= risk.p_fail_30d).all()
    return bool(in_range and rising and (np.diff(risk.rul_days, axis=1) >= 0).all())


def equal(one: Risk, other: Risk) -> bool:
    return (
        np.array_equal(one.p_fail_7d, other.p_fail_7d)
        and np.array_equal(one.p_fail_30d, other.p_fail_30d)
        and np.array_equal(one.rul_days, other.rul_days)
        and one.component.tolist() == other.component.tolist()
        and np.array_equal(one.leads.sensor, other.leads.sensor)
    )


@given(steps=STEPS, days=st.floats(0, 400), more=st.floats(0, 50), stretch=st.floats(0.3, 2))
@settings(max_examples=40, deadline=None)
def test_chances_rise_and_lives_invert_them(
    steps: np.ndarray, days: float, more: float, stretch: float
) -> None:
    curve = survival.stretched(np.pad(steps.cumsum(axis=1), ((0, 0), (1, 0))), (0.1, stretch))
    assert (survival.p_fail(curve, days) <= survival.p_fail(curve, days + more)).all()
    for level in survival.EXPONENTIAL_LEVELS:
        life = survival.life_at(curve, level)
        inside = (life > 0) & (life < survival.LAST_DAY)
        assert np.allclose(survival.hazard_on(curve, life)[inside], level)


def test_a_stretched_hazard_is_the_sum_of_its_stretched_causes() -> None:
    hazard, shares, stretch = (
        np.array([[0.4], [1.5]]),
        np.array([[0.9, 0.1], [0.5, 0.5]]),
        (0.1, 1.3),
    )
    whole = survival.stretched(hazard, stretch)[:, 0] * survival.by_cause(shares, stretch[1])
    assert np.allclose(whole, survival.stretched(hazard * shares, stretch).sum(axis=1))


def test_held_out_lives_of_a_true_curve_need_no_correction() -> None:
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.01, 0.1, 20_000)
    life, censored = rng.exponential(1 / rate), rng.uniform(0, 200, len(rate))
    days = np.minimum(life, censored).astype(np.int64)
    levels = survival.residual_levels(rate[:, None] * survival.EDGES_DAYS, days, life < censored)
    assert levels == pytest.approx(survival.EXPONENTIAL_LEVELS, rel=0.15)


def test_every_risk_is_ordered(fitted: Fit, learnt: tuple[SensorWindows, Outcomes]) -> None:
    assert ordered(predict(fitted.model, learnt[0]))


@given(
    noise=hnp.arrays(
        np.float32, (40, 3, len(SENSOR_FEATURES)), elements=st.floats(-1e6, 1e6, width=32)
    ),
    hole=hnp.arrays(np.bool_, (40, 3)),
)
@settings(max_examples=10, deadline=None)
def test_mad_or_missing_readings_still_give_a_risk(
    fitted: Fit, tonight: SensorWindows, noise: np.ndarray, hole: np.ndarray
) -> None:
    signals = np.where(hole[:, :, None], np.nan, noise).astype(np.float32)
    assert ordered(predict(fitted.model, replace(tonight, signals=signals)))


def test_it_ranks_worn_assets_above_healthy_ones(
    fitted: Fit, tables: dict[str, pl.DataFrame], tonight: SensorWindows
) -> None:
    risk = predict(fitted.model, tonight)
    last = tables["telemetry"].sort("at").group_by("asset_id").last().sort("asset_id")
    heat = last["heat"].to_numpy()
    worn, fresh = heat > 74, heat < 60
    assert worn.sum() >= 3
    assert risk.p_fail_30d[worn].min() > risk.p_fail_30d[fresh].max()
    assert np.median(risk.rul_days[worn, 1]) < np.median(risk.rul_days[fresh, 1])
    assert set(risk.leads.sensor[worn, 0]) <= {"heat", "current"}
    assert risk.leads.rising[worn, 0].all()
    assert (risk.leads.days[worn, 0] > 5).all()
    assert set(risk.component) == {"motor"}


def test_it_beats_the_rule_and_is_calibrated(fitted: Fit) -> None:
    scores = fitted.scores
    assert scores["PR-AUC 7 d"] > 2 * scores["by age 7 d"]
    assert scores["ECE 7 d"] < 0.08
    assert scores["life RMSE 30 d"] < scores["by age"]


def test_a_lost_sensor_costs_certainty_not_the_answer(fitted: Fit, tonight: SensorWindows) -> None:
    whole = predict(fitted.model, tonight)
    blind = predict(fitted.model, windows.select(tonight, ["noise"], []))
    assert ordered(blind)
    assert blind.p_fail_30d.std() < whole.p_fail_30d.std()
    renamed = ("current", "heat", "strange")
    more = windows.concat([tonight, replace(tonight, sensors=renamed)])
    again = predict(fitted.model, more.take(np.arange(len(tonight))))
    assert np.allclose(again.p_fail_7d, whole.p_fail_7d)


def test_silence_comes_down_to_the_base_rate(fitted: Fit, tonight: SensorWindows) -> None:
    silent = [
        replace(tonight, silent_days=np.full(len(tonight), days, np.float32))
        for days in (1, 10, 20, 60)
    ]
    spread = [predict(fitted.model, quiet).p_fail_7d.std() for quiet in silent]
    assert spread == sorted(spread, reverse=True)
    never = predict(fitted.model, windows.select(tonight, [], []))
    assert never.p_fail_7d.std() == pytest.approx(0, abs=1e-9)
    assert set(never.leads.sensor.ravel()) == {""}


def test_bytes_bring_back_the_same_model(fitted: Fit, tonight: SensorWindows) -> None:
    again = loads(dumps(fitted.model))
    assert equal(predict(fitted.model, tonight), predict(again, tonight))
    assert dumps(again) == dumps(fitted.model)


def test_a_model_of_another_format_is_refused(fitted: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logistics.maintenance.model.FORMAT", 0)
    saved = dumps(fitted.model)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="train it again"):
        loads(saved)


def test_the_same_seed_gives_the_same_model(
    learnt: tuple[SensorWindows, Outcomes], options: MaintenanceConfig
) -> None:
    short = replace(options, train_steps=20)
    one, other = (fit(*learnt, short, seed=9) for _ in range(2))
    assert dumps(one.model) == dumps(other.model)
    assert one.scores == other.scores


@pytest.mark.parametrize("failures", [0, MIN_FAILURES - 1])
def test_a_fleet_that_hardly_fails_gets_its_base_rate(
    learnt: tuple[SensorWindows, Outcomes],
    options: MaintenanceConfig,
    tonight: SensorWindows,
    failures: int,
) -> None:
    found, known = learnt
    some = np.flatnonzero(known.failed)[:failures]
    failed = np.isin(np.arange(len(known.failed)), some)
    fitted = fit(found, replace(known, failed=failed), options, seed=1)
    risk = predict(loads(dumps(fitted.model)), tonight)
    assert "base rate" in fitted.remark
    assert ordered(risk)
    assert risk.p_fail_7d.std() == pytest.approx(0, abs=1e-12)


def test_a_kind_can_lose_what_its_events_name(learnt: tuple[SensorWindows, Outcomes]) -> None:
    found, known = windows.select(learnt[0], learnt[0].sensors, ("belt", "motor")), learnt[1]
    pump, fan = 0, 1
    kind_of = (found.asset_ids >= "M020").astype(np.int64)
    # Fans' motors were replaced like the pumps', but of the failures ahead none is a motor's.
    lost = np.where((known.component == "motor") & (kind_of == fan), "belt", known.component)
    share = fleet_rates(found, kind_of, replace(known, component=lost), num_kinds=2).share
    assert 0.0 < share[fan, 1] < share[fan, 0] < 1.0
    assert share[pump].tolist() == [0.0, 1.0]
    assert np.allclose(share.sum(axis=1), 1.0)


def test_no_windows_at_all_still_give_a_model(
    learnt: tuple[SensorWindows, Outcomes], options: MaintenanceConfig, tonight: SensorWindows
) -> None:
    none = np.array([], dtype=np.int64)
    fitted = fit(learnt[0].take(none), learnt[1].take(none), options, seed=1)
    assert ordered(predict(loads(dumps(fitted.model)), tonight))


def test_an_unknown_kind_is_scored_as_the_fleet(fitted: Fit, tonight: SensorWindows) -> None:
    strange = replace(tonight, kinds=np.full(len(tonight), "submarine"))
    assert ordered(predict(fitted.model, strange))
