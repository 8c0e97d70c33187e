"""Laws of which sensor tells of which component."""

import numpy as np
import pytest

from logistics.maintenance.links import common_to_all, link

# Deviates of three components (rows): each one's own sensor, and a count of all their errors.
FOUND = np.array([[4.0, 0.2, -0.4, 3.7], [-0.3, -3.3, 0.1, 3.6], [0.2, 0.4, 2.9, 3.8]])


def test_what_goes_with_every_component_tells_of_none() -> None:
    joined = link(FOUND)
    assert np.abs(joined).argmax(axis=1).tolist() == [0, 1, 2]
    assert np.sign(joined[[0, 1, 2], [0, 1, 2]]).tolist() == [1, -1, 1]
    assert np.abs(joined[:, 3]).max() < 0.2
    assert (np.abs(joined).sum(axis=1) <= 1).all()


def test_what_goes_with_every_component_is_common_to_them() -> None:
    assert common_to_all(FOUND)[3] > 0.9
    assert np.abs(common_to_all(FOUND[:1])).max() == 0.0, "one component has it to itself"


def test_the_only_component_keeps_all_its_evidence() -> None:
    assert link(FOUND[:1])[0, 3] == pytest.approx(np.exp((3.7**2 - 4.0**2) / 2), rel=0.5)
    strong = link(np.array([[9.0, 0.0], [0.0, 0.0]]))
    assert strong[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert np.abs(strong[1]).max() < 0.2  # no link the other way round for want of one
