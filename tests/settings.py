"""The configs the tests run with, composed from conf/ like any run's."""

from pathlib import Path

from logistics.config import Config, parse
from logistics.run import compose_config


def config(folder: Path, *overrides: str) -> Config:
    """A run's config over folder/lake and folder/plan."""
    return parse(
        compose_config(
            [f"lake={folder}/lake", f"plan={folder}/plan", "date=2026-03-02", *overrides]
        )
    )
