"""The import rules of the house: which file may know which library, and who may import whom."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "logistics"
FILES = sorted(PACKAGE.rglob("*.py"))
WORKLOADS = ("forecast", "maintenance", "routes", "slotting")

# library → the files that may import it, as globs relative to the package
ALLOWED = {
    "hydra": ("run.py",),
    "omegaconf": ("run.py",),
    "ray": (
        "*/batch.py",
        "*/shop_batch.py",
        "*/training.py",
        "night.py",
        "cluster.py",
        "company.py",
        "tasks.py",
        "stream.py",
        "gauges.py",
    ),
    "torch": (
        "maintenance/calibration.py",
        "maintenance/held_out.py",
        "*/links.py",
        "*/model.py",
        "*/network.py",
        "*/scoring.py",
        "*/windows.py",
        "*/train.py",
    ),
    "ortools": (
        "*/solve*.py",
        "maintenance/budget.py",
        "maintenance/hours.py",
        "maintenance/hull.py",
        "maintenance/workshop.py",
    ),
    "pyvrp": ("*/solve*.py",),
    "numba": ("routes/compiled.py",),
    "deltalake": ("lake.py", "plan.py", "upkeep.py"),
    "fsspec": ("lake.py", "storage.py", "world/batch.py"),
    "pandera": ("contracts.py",),
    "rich": ("report.py",),
    "holidays": ("forecast/holidays.py",),
    "apprise": ("notice.py",),
    "matplotlib": ("slotting/heat_map.py",),
    "gpxpy": ("routes/dispatch.py",),
    "requests": ("routes/service.py",),
    "icalendar": ("maintenance/agenda.py",),
}
# Layers from the bottom to the top; a file imports only from its own layer or below.
LAYERS = (
    (
        "codes.py",
        "columns.py",
        "config.py",
        "contracts.py",
        "outputs.py",
        "outputs_forecast.py",
        "pools.py",
        "reading.py",
        "schema.py",
        "screen.py",
        "tables.py",
        "tables_forecast.py",
    ),
    ("units.py",),
    ("storage.py",),
    ("plan.py", "lock.py", "registry.py", "handouts.py"),
    ("lake.py", "records.py", "outcome.py", "kept.py"),
    ("cluster.py", "runs.py", "tasks.py", "cost.py", "gauges.py", "publish.py"),
    ("company.py", "notice.py", "oversights.py", "stream.py"),
    ("watch.py",),
    ("upkeep.py",),
    ("*/batch.py", "*/shop_batch.py"),
    ("*/fitting.py",),
    ("*/training.py",),
    ("workloads.py",),
    ("night.py",),
    ("explain.py", "report.py"),
    ("run.py",),
)


@cache
def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def relative(file: Path) -> Path:
    return file.relative_to(PACKAGE)


@pytest.mark.parametrize("library", ALLOWED)
def test_a_library_is_known_only_where_it_belongs(library: str) -> None:
    users = {f for f in FILES if any(name.split(".")[0] == library for name in imports(f))}
    strangers = [
        str(relative(f)) for f in users if not any(relative(f).match(g) for g in ALLOWED[library])
    ]
    assert strangers == []


def test_every_library_is_a_dependency_of_our_own() -> None:
    """What only the tests install, or another library brings today, a new user lacks tomorrow."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["s3"]]
    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in wanted}
    libraries = {name.split(".")[0] for file in FILES for name in imports(file)}
    libraries -= {"logistics", *sys.stdlib_module_names}
    names = packages_distributions()
    assert {library for library in libraries if not declared & {*names[library]}} == set()


def layer(file: Path) -> int:
    """The layer of a file; maths (all other files of a workload) stands on tables and config."""
    for level, globs in enumerate(LAYERS):
        if any(relative(file).match(glob) for glob in globs if "/" in glob) or (
            len(relative(file).parts) == 1 and relative(file).name in globs
        ):
            return level
    return 0


def module_file(name: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(relative(f)))
def test_nothing_imports_what_stands_above_it(file: Path) -> None:
    for name in imports(file):
        if name.startswith("logistics."):
            imported = module_file(name)
            if imported is not None and imported.name != "__init__.py":
                assert layer(imported) <= layer(file), f"{relative(file)} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(relative(f)))
def test_workloads_do_not_know_each_other(file: Path) -> None:
    folder = relative(file).parts[0]
    if folder in (*WORKLOADS, "world"):
        others = {f"logistics.{name}" for name in (*WORKLOADS, "world") if name != folder}
        assert not {n for n in imports(file) if ".".join(n.split(".")[:2]) in others}


def test_no_file_is_longer_than_400_lines() -> None:
    root = PACKAGE.parent
    files = [f for d in ("logistics", "scripts", "tests") for f in (root / d).rglob("*.py")]
    assert [f"{f}: {n}" for f in files if (n := len(f.read_text().splitlines())) > 400] == []
