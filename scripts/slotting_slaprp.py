from pathlib import Path
from typing import Any


def run(folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    return {}
