#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""How good a forecast of a data set's held-out periods could be that knew some of what came.

    scripts/forecast_limit.py --data DIR [--horizon H]

Prints the WQL of two forecasts that no one can make: one knows each series' mean over the held-out
periods, the other also how much all series together sell in each. Their spread is the best in
hindsight for series of their size. No proof of what cannot be reached, since a series may be told
by more than its size; and they know nothing of promotions and the like.
"""

import argparse
import json
import sys
from pathlib import Path

import forecast_dataset as dataset
import numpy as np
from forecast_case import LEVELS, Array

from logistics.forecast import metrics

CLASSES = 20  # of values by what was expected of them


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of one data set")
    parser.add_argument("--horizon", type=int, help="periods; else dataset.json's")
    options = parser.parse_args()
    try:
        about = json.loads((options.data / "dataset.json").read_text())
        _, actual = dataset.load(options.data, options.horizon or int(about["horizon"]))
    except (OSError, ValueError, KeyError) as fault:
        print(f"forecast_limit: {options.data}: {fault}", file=sys.stderr)
        return 2
    actual = actual[np.isfinite(actual).any(axis=1)]
    level = np.nanmean(actual, axis=1)[:, None]
    period = np.nansum(actual, axis=0) / np.nansum(np.where(np.isnan(actual), 0, level), axis=0)
    print(f"{about['name']}: {len(actual):,} series, {(actual == 0).mean():.0%} zeros")
    for told, expected in (
        ("each series' mean", np.broadcast_to(level, actual.shape)),
        ("and each period's sum", level * period),
    ):
        print(f"{told:24s} WQL {limit(actual, expected):.3f}")
    return 0


def limit(actual: Array, expected: Array) -> float:
    """WQL of the best quantiles, in hindsight, that are multiples of what is expected (n, h): the
    same ones for all values in a class by it."""
    known, sold = np.isfinite(actual), expected > 0
    borders = np.quantile(expected[known & sold], np.arange(1, CLASSES) / CLASSES)
    group = np.where(sold, np.searchsorted(borders, expected), -1)
    quantiles = np.zeros((*actual.shape, len(LEVELS)), np.float32)
    for i in range(CLASSES):
        rows = group == i
        if (rows & known).any():
            ratios = np.quantile(actual[rows & known] / expected[rows & known], LEVELS)
            quantiles[rows] = expected[rows][:, None] * ratios
    return metrics.wql(actual, quantiles, LEVELS)


if __name__ == "__main__":
    sys.exit(main())
