"""Laws of what is told of assets that a net has not seen, on the tiny fleet."""

import numpy as np
import pytest

from logistics.maintenance.backtest import FOLDS
from logistics.maintenance.held_out import MEMBERS, held_out, masses
from logistics.maintenance.model import encode, kind_indices
from logistics.maintenance.network import some_of
from logistics.maintenance.survival import LIFE_CAP_DAYS, shares_to_cover
from logistics.maintenance.train import Fit
from logistics.maintenance.windows import Outcomes, SensorWindows, select


def test_nets_that_agree_must_hold_what_one_of_them_must(
    fitted: Fit, learnt: tuple[SensorWindows, Outcomes]
) -> None:
    model, (windows, known) = fitted.model, learnt
    assert model.nets is not None
    seen = select(windows, model.sensors, model.components)
    x = encode(model.scaling, kind_indices(model.kinds, seen), seen)
    fold_of = np.unique(windows.asset_ids, return_inverse=True)[1] % FOLDS
    alike = some_of(model.nets, [*range(FOLDS)] * MEMBERS)
    hazard, _ = held_out(alike, x, fold_of)
    by_one = shares_to_cover(hazard, known.days, known.failed, LIFE_CAP_DAYS)
    assert masses(alike, hazard, x, fold_of, known) == pytest.approx(by_one)
