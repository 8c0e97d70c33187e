"""The benchmark of forecasts: the shape of its JSON; its figures against loops over values."""

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from logistics.forecast.panel import Panel

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import forecast_dataset as dataset

SERIES, HORIZON = 20, 5
LEVELS = [level / 10 for level in range(1, 10)]
FIGURES = {"wql", "wape", "bias", "total_wape", "total_wql", "coverage80", "total_coverage80",
           "train_s", "series_per_s"}  # fmt: skip
Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Made:
    """A forecast in the shape of ours."""

    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array


@dataclass(frozen=True, slots=True)
class Fit:
    model: float
    scores: dict[str, float]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with a model of one number in place of ours: the seed spreads its quantiles."""
    script = importlib.import_module("bench_forecast")
    monkeypatch.setattr(script, "fit", lambda panels, config, seed: Fit(float(seed), {}))
    monkeypatch.setattr(script, "predict", lambda model, panel, **_: last_mean(model, panel))
    return script


def last_mean(spread: float, panel: Panel) -> Made:
    mean = np.nan_to_num(np.nanmean(panel.units[:, -8:], axis=1))[:, None]
    mean = np.repeat(mean, panel.horizon, axis=1)
    factors = 1 + spread * (np.array(LEVELS, np.float32) - 0.5)
    quantiles = mean[..., None] * factors
    return Made(mean, quantiles, mean.sum(1)[:, None], quantiles.sum(1)[:, None])


def run(bench: ModuleType, data: Path, out: Path, *more: str) -> dict[str, Any]:
    asked = ["--data", str(data), "--out", str(out), "--horizon", str(HORIZON)]
    assert bench.main([*asked, "--max-series", str(SERIES), *more]) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    return report


@pytest.fixture
def data(data_dir: Path) -> Path:
    return data_dir / "forecast" / "orange_juice"


def test_its_figures_are_those_of_a_loop_over_values(
    bench: ModuleType, data: Path, tmp_path: Path
) -> None:
    report = run(bench, data, tmp_path / "out.json", "--peers", "none", "--seeds", "1")
    assert {key: report[key] for key in ("data", "horizon", "series")} == {
        "data": "orange_juice",
        "horizon": HORIZON,
        "series": SERIES,
    }
    found = report["models"]["ours"]
    assert set(found) >= FIGURES
    panel, actual = dataset.load(data, HORIZON)
    rows = bench._sample(len(panel), SERIES, 1)
    made = last_mean(1.0, panel.take(rows))
    periods = by_hand(actual[rows].ravel(), made.mean.ravel(), made.quantiles.reshape(-1, 9))
    total = actual[rows].sum(1)
    whole = by_hand(total, made.total_mean.ravel(), made.total_quantiles.reshape(-1, 9))
    names = ("wql", "wape", "coverage80")
    assert [found[name] for name in names] == pytest.approx([periods[name] for name in names])
    assert [found[f"total_{name}"] for name in names] == pytest.approx(
        [whole[name] for name in names]
    )
    assert found["bias"] == pytest.approx(periods["bias"])


def by_hand(
    actual: Sequence[float], mean: Sequence[float], quantiles: Sequence[Sequence[float]]
) -> dict[str, float]:
    """The figures, one value at a time; an unknown one is left out."""
    sold = error = expected = loss = inside = count = 0.0
    for value, middle, edges in zip(actual, mean, quantiles, strict=True):
        if np.isnan(value):
            continue
        count, sold = count + 1, sold + value
        error, expected = error + abs(value - middle), expected + middle
        inside += edges[0] <= value <= edges[-1]
        for level, edge in zip(LEVELS, edges, strict=True):
            loss += 2 * (level * (value - edge) if value > edge else (1 - level) * (edge - value))
    return {
        "wql": loss / len(LEVELS) / sold,
        "wape": error / sold,
        "bias": expected / sold - 1,
        "coverage80": inside / count,
    }


def test_periods_cut_are_as_if_they_had_not_come_yet(data: Path) -> None:
    whole, _ = dataset.load(data, HORIZON)
    earlier, held_out = dataset.load(data, HORIZON, periods_cut=HORIZON)
    known = dict(zip(zip(whole.site, whole.sku_ids, strict=True), whole.units, strict=True))
    keys = list(zip(earlier.site, earlier.sku_ids, strict=True))
    then = np.array([known[key] for key in keys])
    np.testing.assert_array_equal(then[:, -HORIZON:], held_out)
    np.testing.assert_array_equal(then[:, :-HORIZON], earlier.units)
    assert earlier.run_date == whole.run_date - timedelta(weeks=HORIZON)


def test_several_seeds_show_their_median_and_spread(
    bench: ModuleType, data: Path, tmp_path: Path
) -> None:
    report = run(bench, data, tmp_path / "out.json", "--peers", "none", "--seeds", "3")
    panel, actual = dataset.load(data, HORIZON)
    rows = bench._sample(len(panel), SERIES, 1)
    each = []
    for seed in (1.0, 2.0, 3.0):
        quantiles = last_mean(seed, panel.take(rows)).quantiles
        each.append(bench.metrics.wql(actual[rows], quantiles, np.array(LEVELS, np.float32)))
    ours = report["models"]["ours"]
    assert ours["seeds"] == 3
    assert ours["wql"] == pytest.approx(np.median(each))
    assert ours["spread"]["wql"] == pytest.approx([min(each), max(each)])


def test_a_seasonal_naive_peer_repeats_the_season(
    bench: ModuleType, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("statsforecast")
    report = run(bench, data, tmp_path / "out.json", "--only-peers", "--peers", "seasonal_naive")
    assert set(report["models"]) == {"seasonal_naive"}
    assert set(report["models"]["seasonal_naive"]) >= FIGURES
    panel, actual = dataset.load(data, HORIZON)
    rows = bench._sample(len(panel), SERIES, 1)
    last = panel.units[rows, -1:]  # two seasons of 52 weeks are too few to tell one
    known = ~np.isnan(actual[rows]) & ~np.isnan(last)
    wape = np.abs(actual[rows] - last)[known].sum() / actual[rows][known].sum()
    assert report["models"]["seasonal_naive"]["wape"] == pytest.approx(wape, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "no/such/folder", "--peers", "none"], "no/such/folder"),
        (["--data", ".", "--peers", "prophet"], "no peer prophet"),
        (["--data", ".", "--peers", "none", "--horizon", "0"], "'0' is not a whole number above 0"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line_and_exit_code_2(
    bench: ModuleType,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        code = bench.main(["--out", str(tmp_path / "out.json"), *arguments])
    except SystemExit as refused:  # argparse's own way out
        code = refused.code
    assert code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
