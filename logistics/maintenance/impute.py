"""What a sensor that is not heard would most likely have said, told by those that are. Knows NumPy.

Sensors of one machine wear together, so that the rest know most of what a dead one would show.
Features are scaled ones, 0 being usual: (n, s, f), NaN where a sensor was not heard.
"""

import numpy as np

from logistics.maintenance.features import Flags, Reals, Small

RIDGE = 0.2  # of a feature's variance: doubt in what few assets have shown


def moments(scaled: Small) -> Reals:
    """(f, s, s) mean products of each feature between sensors; 0 where none was heard with both."""
    heard = np.isfinite(scaled).astype(np.float64)
    filled = np.nan_to_num(scaled).astype(np.float64)
    together = np.einsum("nsf,ntf->fst", heard, heard, optimize=True)
    products = np.einsum("nsf,ntf->fst", filled, filled, optimize=True)
    return np.asarray(products / np.maximum(together, 1.0))


def weights(of: Reals, heard: Flags) -> Small:
    """(f, s, s) by which heard sensors (columns) tell all (rows); heard (s,): they tell themselves.

    The linear estimate of least squares, drawn towards the usual where sensors disagree.
    """
    f, s, _ = of.shape
    found = np.zeros((f, s, s))
    if heard.any():
        told = of[:, heard][:, :, heard]
        doubt = RIDGE * np.maximum(np.trace(told, axis1=1, axis2=2) / heard.sum(), 1e-9)
        told = told + doubt[:, None, None] * np.eye(int(heard.sum()))
        rest = of[:, ~heard][:, :, heard]
        estimate = np.swapaxes(np.linalg.solve(told, np.swapaxes(rest, 1, 2)), 1, 2)
        found[np.ix_(np.arange(f), ~heard, heard)] = estimate
    found[:, heard, heard] = 1.0
    return found.astype(np.float32)


def complete(of: Reals, scaled: Small) -> Small:
    """(n, s, f) without NaN: sensors not heard are told by the others, or else as usual."""
    result = np.nan_to_num(scaled)
    heard = np.isfinite(scaled).any(axis=2)
    patterns, of_row = np.unique(heard, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if not pattern.all():
            rows = np.flatnonzero(of_row.reshape(-1) == i)
            result[rows] = np.einsum("fst,ntf->nsf", weights(of, pattern), result[rows])
    return np.asarray(result, dtype=np.float32)
