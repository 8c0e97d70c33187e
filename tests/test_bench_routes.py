"""The benchmark of routes: its judge against published plans, and the shape of its JSON."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import vrplib

if TYPE_CHECKING:
    from scripts.routes_case import Case, Trips

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = ("bench_routes", "routes_case", "routes_check", "routes_read")
    return {name: importlib.import_module(name) for name in names}


@pytest.fixture
def routing(data_dir: Path) -> Path:
    return data_dir / "routing"


def published(scripts: dict[str, ModuleType], case: "Case", path: Path) -> "list[Trips]":
    """The plan of a .sol file: node numbers from 0, a depot between two trips of a vehicle."""
    kinds = [kind for kind, v in enumerate(case.vehicles) for _ in range(v.num)]
    plan = []
    for vehicle, nodes in enumerate(vrplib.read_solution(path)["routes"]):
        trips: list[list[int]] = [[]]
        for node in nodes:
            if node < case.num_depots:
                trips.append([])
            else:
                trips[-1].append(node - case.num_depots + 1)
        if nodes:
            clients = tuple(tuple(trip) for trip in trips)
            plan.append(scripts["routes_case"].Trips(kinds[vehicle], clients))
    return plan


def test_the_judge_gives_every_published_plan_its_published_cost(
    scripts: dict[str, ModuleType], routing: Path
) -> None:
    best_known = json.loads((routing / "bks.json").read_text())
    judged = 0
    for set_, name, path in scripts["routes_read"].instances(routing):
        if set_ == "cvrp_belgium_xxl":  # thousands of clients, and read as any other
            continue
        case = scripts["routes_read"].read(set_, name, path)
        if path.with_suffix(".sol").exists():
            plan = published(scripts, case, path.with_suffix(".sol"))
        elif (known := path.parent / f"{path.name.split('.')[0]}.bks.Duration.json").exists():
            routes = json.loads(known.read_text())["routes"]
            plan = [scripts["routes_case"].Trips(0, (tuple(route),)) for route in routes]
        else:
            continue
        cost, faults = scripts["routes_check"].judge(case, plan)
        assert faults == [], name
        assert cost == pytest.approx(best_known[f"{set_}/{name}"]["bks"], rel=1e-6), name
        judged += 1
    assert judged > 0


def test_the_judge_sees_what_a_plan_breaks(scripts: dict[str, ModuleType], routing: Path) -> None:
    path = routing / "vrptw_solomon" / "R101.txt"
    case = scripts["routes_read"].read("vrptw_solomon", "R101", path)
    plan = published(scripts, case, path.with_suffix(".sol"))
    trips_of, judge = scripts["routes_case"].Trips, scripts["routes_check"].judge
    (first,) = plan[0].clients
    backwards = [trips_of(0, (first[::-1],)), *plan[1:]]
    everybody = tuple(client for trips in plan for trip in trips.clients for client in trip)
    for broken, word in (
        (plan[1:], "visited 0 times"),
        ([*plan, plan[0]], "visited 2 times"),
        (backwards, "is reached at"),
        ([trips_of(0, (everybody,))], "load"),
        ([trips_of(0, ((client,),)) for client in everybody], "vehicles of kind 0 are out"),
    ):
        assert any(word in fault for fault in judge(case, broken)[1]), word


def test_one_bad_file_fails_alone(
    scripts: dict[str, ModuleType],
    routing: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "vrptw_solomon").mkdir()
    (tmp_path / "vrptw_solomon" / "bad.txt").write_text("nothing of the kind\n")
    (tmp_path / "mdvrp_cordeau").mkdir()
    (tmp_path / "mdvrp_cordeau" / "p01.txt").symlink_to(routing / "mdvrp_cordeau" / "p01.txt")
    out = tmp_path / "out.json"
    asked = ["--instances", str(tmp_path), "--bks", str(routing / "bks.json"), "--seconds", "0.5"]
    assert scripts["bench_routes"].main([*asked, "--peers", "--out", str(out)]) == 1
    assert "vrptw_solomon/bad: cannot be read" in capsys.readouterr().err
    report = json.loads(out.read_text())
    (row,) = report["instances"]
    assert (row["set"], row["name"], row["seed"], row["bks"]) == ("mdvrp_cordeau", "p01", 1, 576.87)
    assert row["feasible"]
    assert sorted(client for route in row["routes"] for client in route) == list(range(1, 51))
    assert report["sets"]["mdvrp_cordeau"]["max_gap_pct"] < 5
    assert set(report["peers"]) == {"plain pyvrp", "plain ortools"}
