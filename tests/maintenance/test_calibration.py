"""What is said of a month, beside what it brought."""

import numpy as np

from logistics.maintenance.calibration import calibrate, month_loss
from logistics.maintenance.survival import EDGES_DAYS
from logistics.maintenance.windows import Outcomes


def test_no_other_chances_of_a_month_are_likelier_than_the_true_ones() -> None:
    rng = np.random.default_rng(4)
    rate, share = rng.uniform(0.002, 0.05, 20_000), rng.uniform(0.1, 0.9, 20_000)
    life, which = rng.exponential(1 / rate), (rng.random(20_000) > share).astype(np.int64)
    days = np.minimum(life, 60).astype(np.int64)
    known = Outcomes(days, life < 60, np.array(["brakes", "motor"])[which], np.full(20_000, 60))
    hazard, shares = rate[:, None] * EDGES_DAYS, np.stack([share, 1 - share], axis=1)
    assert np.allclose(calibrate(hazard, shares, known), (0.0, 1.0), atol=0.1)
    loss = month_loss(hazard, shares, (0.0, 1.0), known, which)
    assert loss < month_loss(2 * hazard, shares, (0.0, 1.0), known, which)
    assert loss < month_loss(hazard, shares[:, ::-1], (0.0, 1.0), known, which)
    assert loss < month_loss(hazard[::-1], shares, (0.0, 1.0), known, which)
