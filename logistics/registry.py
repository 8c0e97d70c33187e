"""Trained models with their scores: save, list, promote, roll back, load the champion.

Knows folders and bytes, not what a model is:
  models/<workload>/<version>/{model.bin, card.json, …} and models/<workload>/champions.json,
the history of champions, newest last.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from logistics.storage import at, put

MODEL, TWIN = "model.bin", "twin.bin"


class RegistryError(ValueError):
    """A model version that is not there, or nothing to roll back to."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a trained model. version is a hash of its bytes, filled in by `save`.

    calibration: numbers by name that its user needs beside the model, set by its back-test.
    lost_to: the champion that was better on the last origins, so that this one is not promoted.
    """

    workload: str
    trained_to: str  # ISO date: the first day the model has not seen
    seed: int
    scores: dict[str, float]
    settings: dict[str, object]
    version: str = ""
    calibration: dict[str, list[float]] = field(default_factory=dict)
    lost_to: str = ""


def version_of(blob: bytes, calibration: Mapping[str, list[float]]) -> str:
    """What a model of these bytes and numbers is called."""
    told = json.dumps(calibration, sort_keys=True).encode() if calibration else b""
    return hashlib.sha256(blob + told).hexdigest()[:12]


def save(models: str, card: Card, blob: bytes, twin: bytes | None = None) -> Card:
    """Store a model and return its card with the version; the same bytes are the same version.

    twin: the same recipe trained up to the held-out days only, for later challenges.
    """
    card = replace(card, version=version_of(blob, card.calibration))
    fs, root = at(f"{models}/{card.workload}")
    folder = f"{root}/{card.version}"
    put(fs, f"{folder}/{MODEL}", blob)
    if twin is not None:
        put(fs, f"{folder}/{TWIN}", twin)
    # The card comes last: a version without a card was never finished and is not listed.
    put(fs, f"{folder}/card.json", json.dumps(asdict(card), indent=1).encode())
    return card


def versions(models: str, workload: str) -> list[Card]:
    """Every saved model of a workload, by training date and version."""
    fs, root = at(f"{models}/{workload}")
    cards = [Card(**json.loads(fs.cat_file(path))) for path in fs.glob(f"{root}/*/card.json")]
    return sorted(cards, key=lambda card: (card.trained_to, card.version))


def promote(models: str, workload: str, version: str) -> None:
    """Make a saved version the champion. Raises RegistryError when it is not there."""
    known = [card.version for card in versions(models, workload)]
    if version not in known:
        raise RegistryError(f"{workload} has no model {version} in {models}; it has {known}")
    history = [v for v in _champions(models, workload) if v != version]
    _write_champions(models, workload, [*history, version])


def roll_back(models: str, workload: str) -> Card:
    """Make the previous champion the champion again."""
    history = _champions(models, workload)
    if len(history) < 2:
        raise RegistryError(f"{workload} has no earlier champion in {models}")
    _write_champions(models, workload, history[:-1])
    return card(models, workload, history[-2])


def card(models: str, workload: str, version: str) -> Card:
    """What is known of one saved model."""
    fs, path = at(f"{models}/{workload}/{version}/card.json")
    return Card(**json.loads(fs.cat_file(path)))


def champion(models: str, workload: str) -> Card | None:
    """The champion's card, or None before the first training."""
    history = _champions(models, workload)
    return card(models, workload, history[-1]) if history else None


def load(models: str, workload: str, version: str) -> bytes:
    """The bytes of one saved model."""
    fs, path = at(f"{models}/{workload}/{version}/{MODEL}")
    return bytes(fs.cat_file(path))


def load_twin(models: str, workload: str, version: str) -> bytes | None:
    """The bytes of a saved model's twin; None where it was saved without one."""
    fs, path = at(f"{models}/{workload}/{version}/{TWIN}")
    return bytes(fs.cat_file(path)) if fs.exists(path) else None


def _champions(models: str, workload: str) -> list[str]:
    fs, path = at(f"{models}/{workload}/champions.json")
    return list(json.loads(fs.cat_file(path))) if fs.exists(path) else []


def _write_champions(models: str, workload: str, history: list[str]) -> None:
    fs, path = at(f"{models}/{workload}/champions.json")
    put(fs, path, json.dumps(history).encode())
