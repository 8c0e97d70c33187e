"""LightGBM direct: the step ahead is a feature, one model per quantile and one for the mean."""

import time
from dataclasses import dataclass, replace

import lightgbm as lgb
import numpy as np
from forecast_case import LEVELS, Array, Case, Forecaster, Outcome, Rows, learners, outcome
from forecast_rows import Source, categories, features, scale, source

MOST_ROWS = 400_000
CHUNK = 4_000  # series forecast at a time: 28 steps of them are a table of 50 MB
LEAST_PAST = 14  # periods behind an origin
MOST_ROUNDS = 400
PATIENCE = 20
TUNING_SHARE = 3  # of the rows, one in so many finds the number of rounds
SETTINGS = {
    "learning_rate": 0.1,
    "num_leaves": 63,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
Settings = dict[str, float | str]
MEAN: Settings = {"objective": "tweedie", "tweedie_variance_power": 1.3, "metric": "tweedie"}
QUANTILES: list[Settings] = [{"objective": "quantile", "alpha": float(level)} for level in LEVELS]


@dataclass(frozen=True, slots=True)
class Table:
    """Training rows: features (r, f), target (r,) in levels, weight (r,) the level in units.

    late (r,): whether the target lies in the last half horizon, where rounds are counted.
    names: columns of seen that are categories.
    """

    seen: Array
    target: Array
    weight: Array
    late: np.ndarray[tuple[int], np.dtype[np.bool_]]
    names: list[int]


def direct(case: Case) -> Outcome:
    """The target is demand over the recent level, weighted by it: the loss stays that of units."""
    started = time.perf_counter()
    table = _table(source(replace(case, panel=learners(case))), case.seed)
    models = [_fit(table, objective, case.seed) for objective in (MEAN, *QUANTILES)]
    train_s = time.perf_counter() - started
    started = time.perf_counter()
    made = _predict(source(case), models)
    return outcome(made[..., 0], made[..., 1:], train_s, time.perf_counter() - started)


def _table(data: Source, seed: int) -> Table:
    """Rows drawn evenly over series, steps and, for each step, the origins that leave it known."""
    rng = np.random.default_rng(seed)
    n, t, h = len(data.panel), data.panel.num_periods, data.panel.horizon
    drawn = min(MOST_ROWS, 2 * n * t)
    row, step = rng.integers(0, n, drawn), rng.integers(1, h + 1, drawn)
    least = min(LEAST_PAST, t - h)
    origin = rng.integers(least, t - step + 1)
    target = data.panel.units[row, origin + step - 1]
    keep = ~np.isnan(target) & (data.counts[row, origin] > 0)
    row, step, origin, target = row[keep], step[keep], origin[keep], target[keep]
    level = scale(data, row, origin)
    seen = features(data, row, origin, step)
    late = origin + step - 1 >= t - h // 2
    relative = (target / level).astype(np.float32)
    return Table(seen, relative, level.astype(np.float32), late, categories(data, seen.shape[1]))


def _fit(table: Table, objective: Settings, seed: int) -> lgb.Booster:
    """As many rounds as the last half horizon asks for after learning before it; then on all."""
    settings = SETTINGS | objective | {"seed": seed}
    some = np.zeros(len(table.target), bool)
    some[::TUNING_SHARE] = True
    before, after = _data(table, some & ~table.late), _data(table, some & table.late)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    found = lgb.train(settings, before, MOST_ROUNDS, valid_sets=[after], callbacks=[stop])
    return lgb.train(settings, _data(table, some | True), max(found.best_iteration, 20))


def _data(table: Table, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> lgb.Dataset:
    return lgb.Dataset(
        table.seen[rows],
        table.target[rows],
        weight=table.weight[rows],
        categorical_feature=table.names,
        free_raw_data=True,
    )


def _predict(data: Source, models: list[lgb.Booster]) -> Array:
    """(n, h, models) in units."""
    n, t, h = len(data.panel), data.panel.num_periods, data.panel.horizon
    made = np.empty((n, h, len(models)), np.float32)
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        row, step = np.repeat(rows, h), np.tile(np.arange(1, h + 1), len(rows))
        origin: Rows = np.full(len(row), t)
        seen, level = features(data, row, origin, step), scale(data, row, origin)
        for at, model in enumerate(models):
            made[rows, :, at] = (model.predict(seen, num_threads=1) * level).reshape(-1, h)
    return made


PEERS: dict[str, Forecaster] = {"lightgbm_direct": direct}
