"""A feed that has stopped is told; one that pauses over a weekend is not."""

from datetime import date, timedelta

from logistics.freshness import ended, told

NIGHT = date(2026, 3, 2)


def test_a_long_weekend_is_no_stopped_feed() -> None:
    for days in (1, 2, 4):
        assert ended("sales", NIGHT - timedelta(days=days), NIGHT) == {}


def test_a_stopped_feed_is_told_with_its_last_day() -> None:
    figures = ended("sales", date(2026, 2, 25), NIGHT)
    assert list(told({**figures, "series": 4.0}, NIGHT)) == [
        "sales: nothing after 2026-02-25, 5 days before, in 1 unit"
    ]
    assert list(told(ended("sales", None, NIGHT), NIGHT)) == [
        "sales: nothing before 2026-03-02, in 1 unit"
    ]
