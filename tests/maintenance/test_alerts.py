"""Laws of alerts: the budget, their order, and what became of them."""

from datetime import date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.maintenance import alerts

NIGHT = date(2026, 3, 2)
CHANCES = st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(100, 9000)), max_size=12)


@given(assets=CHANCES, budget=st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_the_budget_goes_to_those_that_cost_most_to_leave(
    assets: list[tuple[float, float | None]], budget: int
) -> None:
    ids = [f"A{i:02d}" for i in range(len(assets))]
    risks = pl.DataFrame(
        {
            "site_id": ["S1"] * len(ids),
            "asset_id": ids,
            "workshop_id": ["W1"] * len(ids),
            "component": ["motor"] * len(ids),
            "p_fail_7d": [p / 2 for p, _ in assets],
            "p_fail_30d": [p for p, _ in assets],
        },
        schema_overrides={"asset_id": pl.String, "p_fail_7d": pl.Float64, "p_fail_30d": pl.Float64},
    )
    costs = pl.DataFrame(
        {"asset_id": ids, "cost_of_failure": [cost for _, cost in assets]},
        schema={"asset_id": pl.String, "cost_of_failure": pl.Float64},
    )
    found = alerts.ranked(risks, costs, budget, cost_of_failure=2000, cost_of_service=300)
    price = {i: 2000 if c is None else c for i, (_, c) in zip(ids, assets, strict=True)}
    worth = {
        i: p / 2 * price[i] for i, (p, _) in zip(ids, assets, strict=True) if p * price[i] > 300
    }
    assert found["rank"].to_list() == list(range(1, min(budget, len(worth)) + 1))
    assert found["asset_id"].to_list() == sorted(worth, key=lambda i: (-worth[i], i))[:budget]


def test_an_alert_ends_with_what_comes_first() -> None:
    def at(days: float) -> datetime:
        return datetime(2026, 1, 20) + timedelta(days=days)

    events = pl.DataFrame(
        [
            ("fails", at(-3), "failure", "belt"),
            ("fails", at(4.5), "failure", "motor"),
            ("fails", at(9), "service", "motor"),
            ("served", at(1), "error", "motor"),
            ("served", at(2), "service", None),
            ("late", at(35), "failure", "motor"),
        ],
        schema=["asset_id", "at", "kind", "component"],
        orient="row",
    )
    ids = ["fails", "served", "late", "new"]
    given = pl.DataFrame(
        {
            "asset_id": ids,
            "run_date": [date(2026, 1, 20)] * 3 + [NIGHT - timedelta(days=2)],
            "component": ["motor"] * 4,
            "p_fail_7d": [0.5] * 4,
        }
    )
    told = {row["asset_id"]: row for row in alerts.became(given, events, NIGHT).to_dicts()}
    outcomes = [told[i]["outcome"] for i in ids]
    assert outcomes == ["failed", "serviced", "quiet", "open"]
    assert told["fails"]["lead_days"] == 4.5
    assert told["fails"]["ended_component"] == "motor"
    figures = alerts.figures(alerts.became(given, events, NIGHT))
    assert figures == {"alerts_failed": 1, "alerts_quiet": 1, "alerts_lead_days": 4.5}
