"""What a team would take for remaining life: LightGBM on window statistics, a plain 1-D CNN.

Knows readings by unit and cycle as arrays, LightGBM and Torch; not our model.
Axes: u units, t cycles (aligned at each unit's first), s sensors, n rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
CAP = 125.0
WINDOWS = (10, 30)
AVERAGES = (4.0, 20.0)  # half-lives
FIRST = 10
TREES = 400
CNN_WINDOW = 48


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """values (u, t, s), NaN after the end and where missing; cycles (u,) that were seen."""

    values: Array
    cycles: Rows


Predictor = Callable[[Readings], Array]  # remaining life at each unit's last cycle (u,)


def lightgbm(train: Readings, seed: int) -> Predictor:
    """Boosted trees on trailing statistics, moving averages and the difference to the start."""
    import lightgbm as lgb

    unit, cycle = _rows(train)
    features, life = _statistics(train), _life(train, unit, cycle)
    settings = {
        "objective": "regression",
        "learning_rate": 0.03,
        "num_leaves": 15,
        "min_data_in_leaf": 40,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "num_threads": torch.get_num_threads(),
        "seed": seed,
        "verbose": -1,
    }
    model = lgb.train(settings, lgb.Dataset(features[unit, cycle], life), TREES)

    def predict(readings: Readings) -> Array:
        last = _statistics(readings)[np.arange(len(readings.cycles)), readings.cycles - 1]
        return np.asarray(model.predict(last), dtype=np.float32)

    return predict


def cnn(train: Readings, seed: int, steps: int = 1200) -> Predictor:
    """Three convolutions on the last CNN_WINDOW cycles, pooled, and one hidden layer."""
    torch.manual_seed(seed)
    sensors = train.values.shape[2]
    net = nn.Sequential(
        nn.Conv1d(sensors, 32, 5), nn.ReLU(),
        nn.Conv1d(32, 32, 5), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(32, 64, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1),
    )  # fmt: skip
    scale = np.nanmean(train.values, (0, 1)), np.maximum(np.nanstd(train.values, (0, 1)), 1e-6)
    unit, cycle = _rows(train)
    padded, life = _padded(train, scale), torch.from_numpy(_life(train, unit, cycle) / CAP)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.01)
    rhythm = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(unit), (256,), generator=generator).numpy()
        told = net.train()(_cut(padded, unit[batch], cycle[batch]))[:, 0]
        loss = ((told - life[batch]) ** 2).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        rhythm.step()

    @torch.inference_mode()
    def predict(readings: Readings) -> Array:
        every = np.arange(len(readings.cycles))
        last = _cut(_padded(readings, scale), every, readings.cycles - 1)
        return np.asarray(net.eval()(last)[:, 0].numpy() * CAP)

    return predict


PEERS: dict[str, Callable[[Readings, int], Predictor]] = {"lightgbm": lightgbm, "cnn": cnn}


def _rows(readings: Readings) -> tuple[Rows, Rows]:
    """Unit and cycle index (n,) of everything seen."""
    t = np.arange(readings.values.shape[1])
    unit, cycle = np.nonzero(t[None, :] < readings.cycles[:, None])
    return unit, cycle


def _life(readings: Readings, unit: Rows, cycle: Rows) -> Array:
    """Cycles left (n,) after each, at most CAP; training units are seen to their end."""
    return np.asarray(np.minimum(readings.cycles[unit] - 1 - cycle, CAP), dtype=np.float32)


def _statistics(readings: Readings) -> Array:
    """(u, t, features) of each cycle and those before it."""
    x: Array = np.nan_to_num(readings.values)
    u, t, _ = x.shape
    n = np.arange(1, t + 1, dtype=np.float32)[None, :, None]
    early = np.cumsum(x, 1)[:, np.minimum(np.arange(t), FIRST - 1)] / np.minimum(n, FIRST)
    first: Array = np.asarray(early, dtype=np.float32)
    columns: list[Array] = [x, np.repeat(n, u, axis=0)]
    for half_life in AVERAGES:
        keep, total, weight = 0.5 ** (1 / half_life), np.zeros_like(x[:, 0]), 0.0
        average = np.empty_like(x)
        for i in range(t):
            total, weight = total * keep + x[:, i], weight * keep + 1
            average[:, i] = total / weight
        columns += [average, average - first]
    for width in WINDOWS:
        padded = np.concatenate([np.repeat(x[:, :1], width - 1, axis=1), x], axis=1)
        window = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
        along = np.linspace(-1, 1, width).astype(np.float32)
        columns += [window.mean(-1), window.std(-1), window.min(-1), window.max(-1), window @ along]
    return np.concatenate(columns, axis=2).astype(np.float32)


def _padded(readings: Readings, scale: tuple[Array, Array]) -> Array:
    """(u, CNN_WINDOW − 1 + t, s) scaled, the start repeated before it."""
    x = np.nan_to_num((readings.values - scale[0]) / scale[1])
    return np.asarray(np.concatenate([np.repeat(x[:, :1], CNN_WINDOW - 1, axis=1), x], axis=1))


def _cut(padded: Array, unit: Rows, cycle: Rows) -> Tensor:
    """(n, s, CNN_WINDOW) ending at each cycle."""
    window = padded[unit[:, None], cycle[:, None] + np.arange(CNN_WINDOW)]
    return torch.from_numpy(np.ascontiguousarray(window.transpose(0, 2, 1), dtype=np.float32))
