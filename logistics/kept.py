"""Matrices that a night has fetched, kept with its records so that it asks for them once."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from logistics.records import fingerprint
from logistics.storage import at, put
from logistics.units import Run

Matrices = Sequence[NDArray[np.float64]]


def load(run: Run, *names: object) -> list[NDArray[np.float64]] | None:
    """What was saved in the run's night under all these names; None: nothing."""
    fs, path = at(_path(run, names))
    if not fs.exists(path):
        return None
    with np.load(BytesIO(fs.cat_file(path)), allow_pickle=False) as found:
        return [found[name] for name in sorted(found.files)]


def save(run: Run, matrices: Matrices, *names: object) -> None:
    buffer = BytesIO()
    np.savez_compressed(buffer, *matrices)
    fs, path = at(_path(run, names))
    put(fs, path, buffer.getvalue())


def _path(run: Run, names: Sequence[object]) -> str:
    return f"{run.config.plan}/_units/{run.config.date}/kept/{fingerprint(*names)}.npz"
