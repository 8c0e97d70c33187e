"""Trained models with their scores: save, list, promote, roll back, load the champion.

Knows folders and bytes, not what a model is:
  models/<workload>/<version>/{model.bin, card.json} and models/<workload>/champions.json,
the history of champions, newest last.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from logistics.storage import at, put


class RegistryError(ValueError):
    """A model version that is not there, or nothing to roll back to."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a trained model. version is a hash of its bytes, filled in by `save`."""

    workload: str
    trained_to: str  # ISO date: the first day the model has not seen
    seed: int
    scores: dict[str, float]
    settings: dict[str, object]
    version: str = ""


def save(models: str, card: Card, blob: bytes) -> Card:
    """Store a model and return its card with the version; the same bytes are the same version."""
    card = replace(card, version=hashlib.sha256(blob).hexdigest()[:12])
    fs, root = at(f"{models}/{card.workload}")
    folder = f"{root}/{card.version}"
    put(fs, f"{folder}/model.bin", blob)
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
    return _card(models, workload, history[-2])


def champion(models: str, workload: str) -> Card | None:
    """The champion's card, or None before the first training."""
    history = _champions(models, workload)
    return _card(models, workload, history[-1]) if history else None


def load(models: str, workload: str, version: str) -> bytes:
    """The bytes of one saved model."""
    fs, root = at(f"{models}/{workload}/{version}/model.bin")
    return bytes(fs.cat_file(root))


def _card(models: str, workload: str, version: str) -> Card:
    fs, path = at(f"{models}/{workload}/{version}/card.json")
    return Card(**json.loads(fs.cat_file(path)))


def _champions(models: str, workload: str) -> list[str]:
    fs, path = at(f"{models}/{workload}/champions.json")
    return list(json.loads(fs.cat_file(path))) if fs.exists(path) else []


def _write_champions(models: str, workload: str, history: list[str]) -> None:
    fs, path = at(f"{models}/{workload}/champions.json")
    put(fs, path, json.dumps(history).encode())
