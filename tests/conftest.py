"""Options and the one Ray session of the test run."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default=str(Path(__file__).resolve().parents[2] / "shared" / "data"),
        help="folder of the real benchmark data",
    )


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The real data, read in place; tests that need it are skipped where it is absent."""
    folder = Path(request.config.getoption("--data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; name it with --data")
    return folder
