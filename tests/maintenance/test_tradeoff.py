"""Laws of weighing visits against orders: the cheaper of the two stays, and is written down."""

from datetime import date

import polars as pl
from icalendar import Calendar

from logistics.maintenance.agenda import agenda
from logistics.maintenance.budget import Budget
from logistics.maintenance.problem import Booking, Schedule, WorkshopProblem
from logistics.maintenance.tradeoff import Routed, settle
from logistics.maintenance.verify import verify
from logistics.maintenance.work_orders import price_rows, to_table
from logistics.maintenance.workshop import schedule
from tests.maintenance.shops import HOUR, job, shop


def solve(problem: WorkshopProblem) -> Schedule:
    return schedule(problem, Budget(deterministic_time=1), 7)


def routes_that_lose(per_vehicle: float):  # noqa: ANN201
    """A depot that drops an order for every vehicle that is away."""

    def route(site_id: str, away: frozenset[str]) -> Routed | None:
        return Routed(500.0 + per_vehicle * len(away), len(away))

    return route


def test_a_visit_moves_where_an_order_is_dearer_than_a_day_of_waiting() -> None:
    problem = shop(job("A", 0.1, 0.4), num_days=3)
    found, (trade,) = settle(problem, solve, routes_that_lose(800.0))
    (order,) = found.orders
    assert order.visit is not None
    assert order.visit.day == 1
    assert (trade.decision, trade.moved, trade.price) == ("visits moved", ("A",), 800.0)
    assert trade.cost_of_moving < trade.cost_of_dropping
    assert verify(problem, found.orders) == []
    assert price_rows([trade])["moved"].to_list() == [["A"]]


def test_an_order_is_dropped_where_waiting_is_dearer() -> None:
    problem = shop(job("A", 0.99, 0.99), num_days=3)
    found, (trade,) = settle(problem, solve, routes_that_lose(100.0))
    assert found.orders == solve(problem).orders
    assert (trade.decision, trade.orders_dropped) == ("orders dropped", 1)
    assert trade.cost_of_dropping <= trade.cost_of_moving


def test_nothing_is_weighed_where_no_order_is_lost() -> None:
    problem = shop(job("A"), job("B", site_id="S2"))
    found, trades = settle(problem, solve, lambda site, away: Routed(1.0, 0) if away else None)
    assert (found, trades) == (solve(problem), [])


def test_depots_that_share_their_vehicles_are_weighed_as_one() -> None:
    problem = shop(job("A", 0.1, 0.4), job("B", 0.1, 0.4, site_id="S2"), num_days=3)
    found, (trade,) = settle(problem, solve, routes_that_lose(800.0), {"S1": "S1", "S2": "S1"})
    assert (trade.site_id, trade.vehicles_away, trade.price) == ("S1", 2, 800.0)
    assert trade.moved == ("A", "B")
    assert trade.cost_of_dropping == solve(problem).cost + 500.0 + 2 * 800.0
    assert verify(problem, found.orders) == []


def test_the_calendar_has_every_booked_visit_at_its_hour() -> None:
    promised = Booking("C", "S1", 1, 9 * HOUR, 11 * HOUR, 1)
    problem = shop(job("A;1"), job("B", 0.0, 0.0, life_day_price=1.0), bookings=(promised,))
    rows = to_table(problem, solve(problem).orders)
    events = Calendar.from_ical(agenda("W1", date(2026, 3, 2), rows)).walk("VEVENT")
    booked = rows.filter(pl.col("status") == "booked").sort("start_local")
    assert booked["asset_id"].to_list() == ["A;1", "C"]
    assert [event["dtstart"].dt for event in events] == booked["start_local"].to_list()
    assert [event["dtend"].dt for event in events] == booked["end_local"].to_list()
    assert str(events[0]["uid"]) == "W1/A;1@logistics"
    assert events[1]["description"] == "Technician: nobody yet. promised already."
