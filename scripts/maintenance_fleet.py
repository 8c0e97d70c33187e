"""Risk of failure in made companies, assets and time both held out, beside usual models.

Knows our model and LightGBM; not where companies come from. Each company is one to itself: its
assets are split into folds, and a model learns from the other folds' assets up to HELD_OUT_DAYS
before the company's date and is judged on its own fold's from then on, every other day; what became
of them is told by events and by the made truth.

Per component and horizon (7, 30 days): precision-recall AUC and calibration error (ECE) of "this
component is the first to fail within …", over the assets of kinds that can lose it, of all
companies together. Windows that a service ended earlier tell nothing and are left out. Components
with fewer than MIN_FAILURES failing assets in the judged days are left out of the means: in one
company of 200 assets most are, and single assets decide. How far our PR-AUC is above a peer's comes
with the range of nine in ten draws of as many companies from these (bootstrap by company).

  lightgbm   one boosted classifier per component and horizon, on the same features
  mileage    load since the component was last replaced, by ten groups of equal size, each at its
             rate of failure in training
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from maintenance_companies import Fleet
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from logistics.config import MaintenanceConfig
from logistics.maintenance import inputs, metrics, regimes
from logistics.maintenance.features import SENSOR_FEATURES
from logistics.maintenance.model import flat, predict
from logistics.maintenance.train import fit
from logistics.maintenance.windows import Outcomes, SensorWindows, select

HORIZONS = (7, 30)
FOLDS = 3
HELD_OUT_DAYS = 14
TRUTH_DAYS = 60  # a made company's truth reaches so far beyond its date
MIN_FAILURES = 5
GROUPS = 10
TREES = 120
LOAD = "load"  # the sensor that mileage is counted by, where there is one
DRAWS = 200
NINE_IN_TEN = (5, 95)

Reals = NDArray[np.float64]
Flags = NDArray[np.bool_]
Chances = dict[int, Reals]  # by horizon (n, components)
Summary = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Windows to learn from and to be judged on, over the same sensors and components."""

    learn: SensorWindows
    learnt: Outcomes
    judge: SensorWindows
    judged: Outcomes
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Of one component and horizon: what happened and what was said (n,), and how many assets
    lost it."""

    failed: Flags
    chance: Reals
    assets: int


Answers = dict[tuple[str, int], Told]  # by component and horizon, of one company


def report(
    fleets: Iterable[Fleet], options: MaintenanceConfig, peers: Sequence[str], seeds: int
) -> Summary:
    """Per model: seconds to train, mean PR-AUC and ECE by horizon, and each component's; and how
    far ours is above each peer."""
    models: dict[str, Callable[[Split, MaintenanceConfig, int], Chances]] = {"ours": _ours}
    models |= {"lightgbm": _lightgbm} if "lightgbm" in peers else {}
    models |= {"mileage": _mileage} if peers else {}
    names: list[str] = []
    answers: dict[str, list[list[Answers]]] = {n: [[] for _ in range(seeds)] for n in models}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for fleet in fleets:
        names.append(fleet.name)
        for seed in range(seeds):
            splits = _splits(fleet, options, seed)
            for name, model in models.items():
                started = time.perf_counter()
                told = [model(split, options, seed) for split in splits]
                seconds[name].append((time.perf_counter() - started) / FOLDS)
                answers[name][seed].append(_answers(splits, told))
                print(f"{fleet.name}, {name}, seed {seed}: {seconds[name][-1]:.1f} s a fit",
                      file=sys.stderr)  # fmt: skip
    found = {
        name: _mean([_scores(companies) for companies in runs])
        | {"train_s": float(np.mean(seconds[name]))}
        for name, runs in answers.items()
    }
    above = {name: _above(answers["ours"], answers[name]) for name in models if name != "ours"}
    return {"data": names, "seeds": seeds, "models": found, "above": above}


def _mean(runs: Sequence[Summary]) -> Summary:
    """Each figure's mean over seeds, a component's over those that could judge it."""
    plain = [k for k in runs[0] if k != "components"]
    names = sorted({name for run in runs for name in run["components"]})
    by_component = {}
    for name in names:
        those = [run["components"][name] for run in runs if name in run["components"]]
        by_component[name] = {k: float(np.mean([t[k] for t in those])) for k in those[0]}
    return {k: float(np.mean([run[k] for run in runs])) for k in plain} | {
        "components": by_component
    }


# --- the companies -------------------------------------------------------------------------------


def _splits(fleet: Fleet, options: MaintenanceConfig, seed: int) -> list[Split]:
    ids = fleet.assets["asset_id"].unique().sort()
    fold_of = np.random.default_rng([seed, 2]).permutation(np.arange(len(ids)) % FOLDS)
    return [_split(fleet, ids.filter(pl.Series(fold_of == f)), options) for f in range(FOLDS)]


def _split(fleet: Fleet, held_out: pl.Series, options: MaintenanceConfig) -> Split:
    """The assets held out from HELD_OUT_DAYS before the night on; the others until then."""
    end = fleet.night - timedelta(days=HELD_OUT_DAYS)
    mine = pl.col("asset_id").is_in(held_out.implode())
    until = pl.col("at") < pl.lit(end).cast(pl.Datetime("us"))
    of_others = fleet.telemetry.filter(~mine & until)
    conditions = regimes.find(regimes.sample(of_others, regimes.SAMPLE, 0))
    learn, learnt = inputs.examples(
        of_others,
        fleet.events.filter(~mine & until),
        fleet.assets.filter(~mine),
        end,
        options.window_days,
        options.max_train_windows,
        0,
        conditions,
    )
    seen, assets = fleet.telemetry.filter(mine), fleet.assets.filter(mine)
    events = fleet.events.filter(mine)
    days = [end + timedelta(days=n) for n in range(0, HELD_OUT_DAYS + 1, 2)]
    judge = inputs.windows(seen, events, assets, days, options.window_days, conditions)
    last = fleet.night + timedelta(days=TRUTH_DAYS)
    alive = assets.select(
        "asset_id", pl.lit(last - timedelta(days=1)).cast(pl.Datetime("us")).alias("at")
    )
    heard = pl.concat([seen.select("asset_id", "at"), alive])
    known = pl.concat([events, fleet.to_come.filter(mine)], how="diagonal_relaxed")
    judged = inputs.outcomes(heard, known, assets, days, last)
    components = tuple(sorted(set(learn.components) | {c for c in judged.component.tolist() if c}))
    learn, judge = (select(rows, learn.sensors, components) for rows in (learn, judge))
    return Split(learn, learnt, judge, judged, components)


# --- models --------------------------------------------------------------------------------------


def _ours(split: Split, options: MaintenanceConfig, seed: int) -> Chances:
    risk = predict(fit(split.learn, split.learnt, options, seed).model, split.judge)
    order = [risk.components.index(c) if c in risk.components else -1 for c in split.components]

    def told(chances: Reals) -> Reals:
        return np.pad(chances, ((0, 0), (0, 1)))[:, order]

    return {7: told(risk.by_component_7d), 30: told(risk.by_component_30d)}


def _lightgbm(split: Split, options: MaintenanceConfig, seed: int) -> Chances:
    import lightgbm as lgb

    kinds = np.unique(split.learn.kinds)
    x, asked = (
        np.column_stack([flat(rows), rows.kinds[:, None] == kinds])
        for rows in (split.learn, split.judge)
    )
    settings = {"objective": "binary", "learning_rate": 0.03, "num_leaves": 7, "seed": seed,
                "feature_fraction": 0.5, "num_threads": 1, "verbose": -1}  # fmt: skip
    found = {}
    for days in HORIZONS:
        usable, failed = _within(split.learnt, split.components, days)
        told = np.zeros((len(asked), len(split.components)))
        for i in range(len(split.components)):
            y = failed[usable, i]
            told[:, i] = y.mean()
            if 0 < y.sum() < len(y):
                model = lgb.train(settings, lgb.Dataset(x[usable], y), TREES)
                told[:, i] = np.asarray(model.predict(asked))
        found[days] = told
    return found


def _mileage(split: Split, options: MaintenanceConfig, seed: int) -> Chances:
    learn, judge = (_worked(rows) for rows in (split.learn, split.judge))
    found = {}
    for days in HORIZONS:
        usable, failed = _within(split.learnt, split.components, days)
        told = np.zeros((len(judge), len(split.components)))
        for i in range(len(split.components)):
            x, y = learn[usable, i], failed[usable, i]
            edges = np.unique(np.quantile(x, np.linspace(0, 1, GROUPS + 1)[1:-1]))
            group = np.searchsorted(edges, x)
            size = np.bincount(group, minlength=len(edges) + 1)
            rate = np.bincount(group, weights=y, minlength=len(size)) / np.maximum(size, 1)
            told[:, i] = rate[np.searchsorted(edges, judge[:, i])]
        found[days] = told
    return found


def _worked(rows: SensorWindows) -> Reals:
    """(n, components) load since each was last replaced."""
    since = np.expm1(rows.history[:, :, 0].astype(np.float64))
    if LOAD not in rows.sensors:
        return since
    load = rows.signals[:, rows.sensors.index(LOAD), SENSOR_FEATURES.index("average_40")]
    return np.asarray(since * np.nan_to_num(load, nan=0.5)[:, None])


# --- scores --------------------------------------------------------------------------------------


def _within(known: Outcomes, components: Sequence[str], days: int) -> tuple[Flags, Flags]:
    """Rows that tell (n,), and which component failed first within so many days (n, components)."""
    failed = known.failed & (known.days < days)
    usable = (known.followed >= days) & (failed | (known.days >= days))
    return usable, failed[:, None] & (known.component[:, None] == np.array(components)[None, :])


def _answers(splits: Sequence[Split], told: Sequence[Chances]) -> Answers:
    """All folds of a company together."""
    names = sorted({name for split in splits for name in split.components})
    return {(n, days): _answer(splits, told, n, days) for days in HORIZONS for n in names}


def _answer(splits: Sequence[Split], told: Sequence[Chances], name: str, days: int) -> Told:
    y, p, lost = [], [], 0
    for split, chances in zip(splits, told, strict=True):
        if name not in split.components:
            continue
        i = split.components.index(name)
        usable, failed = _within(split.judged, split.components, days)
        rows = usable & np.isin(split.judge.kinds, _kinds_with(split, name))
        y.append(failed[rows, i])
        p.append(chances[days][rows, i])
        lost += len(np.unique(split.judge.asset_ids[rows & failed[:, i]]))
    return Told(np.concatenate(y), np.concatenate(p), lost)


def _scores(companies: Sequence[Answers]) -> Summary:
    """PR-AUC and ECE of each component that failed often enough, and their means."""
    found: Summary = {}
    components: dict[str, dict[str, float]] = {}
    for days in HORIZONS:
        scores = {name: _score(told) for name, told in _pooled(companies, days).items()}
        found[f"pr_auc_{days}d"] = float(np.mean([s["pr_auc"] for s in scores.values()]))
        found[f"ece_{days}d"] = float(np.mean([s["ece"] for s in scores.values()]))
        components |= {f"{name} {days} d": score for name, score in scores.items()}
    return found | {"components": components}


def _pooled(companies: Sequence[Answers], days: int) -> dict[str, Told]:
    """Component → the answers of all companies, where MIN_FAILURES assets lost it."""
    found = {}
    for name in sorted({name for answers in companies for name, _ in answers}):
        parts = [answers[name, days] for answers in companies if (name, days) in answers]
        lost = sum(part.assets for part in parts)
        if lost >= MIN_FAILURES:
            failed, chance = ([getattr(p, of) for p in parts] for of in ("failed", "chance"))
            found[name] = Told(np.concatenate(failed), np.concatenate(chance), lost)
    return found


def _score(told: Told) -> dict[str, float]:
    return {
        "pr_auc": metrics.pr_auc(told.failed, told.chance),
        "ece": metrics.ece(told.failed, told.chance),
        "assets": told.assets,
    }


def _above(ours: Sequence[Sequence[Answers]], peer: Sequence[Sequence[Answers]]) -> Summary:
    """By horizon: our mean PR-AUC over the peer's, less 1, and its range (see above)."""
    count, rng = len(ours[0]), np.random.default_rng(0)
    draws = [np.arange(count), *rng.integers(0, count, (DRAWS, count))]
    found: Summary = {}
    for days in HORIZONS:
        more = [_mean_pr_auc(ours, draw, days) / _mean_pr_auc(peer, draw, days) for draw in draws]
        low, high = np.nanpercentile(more[1:], NINE_IN_TEN)
        found[f"pr_auc_{days}d"] = [float(ratio) - 1 for ratio in (more[0], low, high)]
    return found


def _mean_pr_auc(runs: Sequence[Sequence[Answers]], draw: NDArray[np.int64], days: int) -> float:
    """Over seeds and components."""
    pooled = (_pooled([companies[n] for n in draw], days) for companies in runs)
    each = [metrics.pr_auc(t.failed, t.chance) for told in pooled for t in told.values()]
    return float(np.mean(each)) if each else float("nan")


def _kinds_with(split: Split, name: str) -> NDArray[np.str_]:
    """The kinds of assets that were seen to lose the component."""
    learn = split.learn.kinds[split.learnt.component == name]
    return np.unique(np.concatenate([learn, split.judge.kinds[split.judged.component == name]]))


def show(report: Mapping[str, Any]) -> None:
    """The report as tables."""
    models = report["models"]
    table = Table(
        title=", ".join(report["data"]), box=None, header_style="dim", title_justify="left"
    )
    rows = [k for k in next(iter(models.values())) if k != "components"]
    for column in ("", *models):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(row.replace("_", " "), *(f"{m[row]:.4g}" for m in models.values()))
    for name in next(iter(models.values()))["components"]:
        cells = (m["components"].get(name) for m in models.values())
        table.add_row(
            f"{name}: PR-AUC, ECE",
            *(f"{c['pr_auc']:.3f} {c['ece']:.3f}" if c else "" for c in cells),
        )
    console = Console(width=120)
    console.print(table)
    for peer, horizons in report["above"].items():
        for of, (more, low, high) in horizons.items():
            told = f"{more:+.0%} ({low:+.0%} to {high:+.0%})"
            console.print(f"{of.replace('_', ' ')}, ours against {peer}: {told}")
