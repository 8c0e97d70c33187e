"""Models are kept with their scores; one of them is the champion."""

from pathlib import Path

import pytest

from logistics import registry
from logistics.registry import Card, RegistryError


def card(day: str) -> Card:
    return Card("forecast", day, 7, {"wql": 0.3}, {"hidden": 64})


def test_there_is_no_champion_before_the_first_training(tmp_path: Path) -> None:
    assert registry.champion(str(tmp_path), "forecast") is None
    assert registry.versions(str(tmp_path), "forecast") == []


def test_the_champion_is_the_last_promoted_and_can_be_rolled_back(tmp_path: Path) -> None:
    models = str(tmp_path)
    first = registry.save(models, card("2026-01-01"), b"one")
    second = registry.save(models, card("2026-02-01"), b"two")
    for saved in (first, second):
        registry.promote(models, "forecast", saved.version)
    assert registry.champion(models, "forecast") == second
    assert registry.load(models, "forecast", second.version) == b"two"
    assert registry.roll_back(models, "forecast") == first
    assert registry.champion(models, "forecast") == first
    assert registry.versions(models, "forecast") == [first, second]


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no model deadbeef"):
        registry.promote(str(tmp_path), "forecast", "deadbeef")
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.roll_back(str(tmp_path), "forecast")
