"""Both protocols against a server on this machine; and a depot whose service is away."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from logistics import kept, report
from logistics.config import ConfigError
from logistics.routes import batch, service
from logistics.routes.inputs import places_of, problem
from logistics.routes.service import Service, ServiceError, roads
from logistics.units import Run
from tests.nights import ROUTES
from tests.routes.stub import serving, true_m, true_s
from tests.routes.test_inputs import CONFIG, DAY, tables
from tests.settings import config

PLACES = [(50 + k / 100, 8 + (k * 7 % 11) / 100) for k in range(13)]
SERVICES: tuple[Service, ...] = ("osrm", "valhalla")


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("max_arcs", [10_000, 12])
def test_every_arc_is_what_the_service_says_however_little_it_takes_at_once(
    name: Service, max_arcs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_BLOCK", 6)
    with serving(max_arcs) as stub:
        found = roads(name, stub.url + "/", PLACES)
    for (i, a), (j, b) in itertools.product(enumerate(PLACES), repeat=2):
        assert found.distance_m[i, j] == pytest.approx(true_m(a, b), abs=0.1)
        assert found.duration_s[i, j] == pytest.approx(true_s(a, b), abs=0.1)


@pytest.mark.parametrize("name", SERVICES)
def test_a_busy_service_is_asked_again_and_an_island_is_unknown(name: Service) -> None:
    with serving(busy=1) as stub:
        found = roads(name, stub.url, [*PLACES[:2], (30.0, 8.0)])
    known = np.isfinite(found.distance_m)
    assert known.tolist() == [[True, True, False], [True, True, False], [False, False, False]]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_refuses_or_is_away_says_so(
    name: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_RETRY", 0)
    with serving(max_arcs=0) as stub, pytest.raises(ServiceError, match=r"TooBig|150"):
        roads(name, stub.url, PLACES[:2])
    with pytest.raises(ServiceError, match="cannot be reached"):
        roads(name, stub.url, PLACES[:2])


def test_a_problem_drives_the_services_roads_and_defaults_where_it_knows_none() -> None:
    rows = tables(orders=[{}, {"order_id": "S2", "lat": 30.0}])
    with serving() as stub:
        found = roads("osrm", stub.url, places_of(rows, "D1", DAY))
    built = problem(rows, "D1", (), DAY, CONFIG, found)
    default = problem(rows, "D1", (), DAY, CONFIG)
    assert built.travel.base_s[0, 1] == pytest.approx(true_s((52.0, 4.0), (52.1, 4.0)), abs=0.1)
    assert built.travel.distance_m[0, 2] == default.travel.distance_m[0, 2]


def test_a_night_asks_once_and_goes_on_without_a_service_that_is_away(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_RETRY", 0)
    with serving() as stub:
        asking = config(tmp_path, "routes.travel_service=valhalla", f"routes.travel_url={stub.url}")
        run = Run("r", replace(asking, date=DAY))
        first, warning = batch._roads(run, tables(), "D1")
    assert first is not None
    assert warning == {}
    again, _ = batch._roads(run, tables(), "D1")
    assert again is not None
    assert np.array_equal(again.duration_s, first.duration_s)
    none, warning = batch._roads(run, tables(orders=[{"lat": 51.0}]), "D1")
    assert none is None
    assert "cannot be reached" in next(iter(warning))
    assert kept.load(run, "another") is None


def test_a_service_has_an_address() -> None:
    with pytest.raises(ConfigError, match="travel_service and travel_url go together"):
        config(None, "routes.travel_service=osrm")


def test_the_summary_names_the_service_that_was_away_and_the_change_from_the_last_plan() -> None:
    figures = {
        "no_travel_service:osrm: cannot be reached (ConnectionError)": 2.0,
        "compared:distance_km": 90.0,
        "before:distance_km": 100.0,
        "compared:cost": 101.0,
        "before:cost": 100.0,
    }
    told = list(report._remarks({"routes": replace(ROUTES, figures=figures)}))
    assert told == [
        "routes    against each depot's last plan: distance -10.0%, cost +1.0% (route_kpis)",
        "[yellow]travel[/]    default driving times at 2 depots: "
        "osrm: cannot be reached (ConnectionError)",
    ]
