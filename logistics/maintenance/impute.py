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
    present = np.isfinite(scaled)
    result = np.where(present, scaled, np.float32(0))
    heard: Flags = np.asarray(present.any(axis=2))
    if heard.all():
        return np.asarray(result, dtype=np.float32)
    # As bytes: to sort rows of flags takes longer than all the rest.
    packed = np.packbits(heard, axis=1)
    names = packed.view(f"S{packed.shape[1]}")[:, 0]
    _, first, of_row = np.unique(names, return_index=True, return_inverse=True)
    for i, pattern in enumerate(heard[first]):
        if not pattern.all():
            rows = np.flatnonzero(of_row == i)
            known = result[np.ix_(rows, pattern)].transpose(2, 0, 1)
            told = weights(of, pattern)[:, ~pattern][..., pattern].transpose(0, 2, 1)
            result[np.ix_(rows, ~pattern)] = (known @ told).transpose(1, 2, 0)
    return np.asarray(result, dtype=np.float32)
