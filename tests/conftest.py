"""Options and the one Ray session of the test run."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from logistics.config import Config
from logistics.outcome import Night
from tests.settings import SMALL, config, planned, quiet

# CI judges a change, so it tries the same examples every time; a person's run tries new ones.
# A busy machine draws examples slowly, which says nothing about them.
SLOW = [HealthCheck.too_slow]
settings.register_profile("ci", derandomize=True, suppress_health_check=SLOW)
settings.register_profile("here", suppress_health_check=SLOW)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Ray's workers stand back behind every other process; here that would be the other half of the run.
os.environ.setdefault("RAY_worker_niceness", "0")


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


# Files whose tests share the Ray session, and files with Rays of their own, which take longest.
SESSION = tuple(
    f"test_{name}.py"
    for name in (
        "faults", "bench_throughput", "champions", "night", "notice", "planners", "resume",
        "tasks", "watch",
    )
)  # fmt: skip
LONG = ("test_submit.py", "test_fuzz.py")


class TwoProcesses(LoadScopeScheduling):
    """For `pytest -n 2`: one process has the Ray session, the other begins with what takes long.

    By file, as xdist 3.8 does not see its own groups under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return "session" if file in SESSION else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoProcesses:
    return TwoProcesses(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (item.path.name not in SESSION, item.path.name not in LONG))
