"""Options and the one Ray session of the test run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from logistics.config import Config
from logistics.outcome import Night
from tests.settings import SMALL, config, planned, quiet

# CI judges a change, so it tries the same examples every time; a person's run tries new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


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


@pytest.fixture(scope="session")
def ray_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The one Ray of the test run, started as a night starts it."""
    import ray

    from logistics import cluster

    cluster.start_ray(config(tmp_path_factory.mktemp("ray"), "cluster.dashboard=false"))
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Config:
    """A small made company; its plan and models are shared, so nobody changes its lake."""
    from logistics.world import batch as world

    small = config(tmp_path_factory.mktemp("company"), *SMALL)
    world.generate(small.world, small.lake, small.seed, quiet)
    return small


@pytest.fixture(scope="session")
def first(company: Config) -> Night:
    """The company's first night, models trained."""
    return planned(company)


LONG = ("test_faults.py", "test_submit.py", "test_autoscaler.py")  # files with nights of their own


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `pytest -n 2 --dist loadgroup`: what shares the Ray session stays in one process, the
    first; the other begins with what takes longest."""

    def shared(item: pytest.Item) -> bool:
        return "ray_session" in getattr(item, "fixturenames", ())

    for item in items:
        item.add_marker(pytest.mark.xdist_group("ray" if shared(item) else item.path.name))
    items.sort(key=lambda item: (not shared(item), item.path.name not in LONG))
