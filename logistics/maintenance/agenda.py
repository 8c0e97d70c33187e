"""A workshop's booked work orders as an iCalendar file (RFC 5545). Knows rows; no storage.

An asset's visit keeps its identity from night to night, so that a calendar moves it and does not
show it twice. Times are the workshop's own, in no time zone.
"""

from datetime import UTC, date, datetime, time

import polars as pl
from icalendar import Calendar, Event

NAME = "schedule.ics"


def agenda(workshop_id: str, night: date, orders: pl.DataFrame) -> bytes:
    """The file; orders: work_orders rows of one workshop."""
    calendar = Calendar()
    calendar.add("prodid", "-//logistics//workshop//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"Workshop {workshop_id}")
    for row in orders.filter(status="booked").sort("start_local", "bay").iter_rows(named=True):
        event = Event()
        event.add("uid", f"{workshop_id}/{row['asset_id']}@logistics")
        event.add("dtstamp", datetime.combine(night, time(), tzinfo=UTC))
        event.add("dtstart", row["start_local"])
        event.add("dtend", row["end_local"])
        event.add("summary", f"{row['asset_id']}: {row['component'] or 'check'}")
        event.add("location", f"{workshop_id}, bay {row['bay']}")
        who = row["technician_id"] or "nobody yet"
        event.add("description", f"Technician: {who}. {row['reason']}.")
        calendar.add_component(event)
    return bytes(calendar.to_ical())
