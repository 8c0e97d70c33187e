"""Messages about a night to people, through Apprise: what they say, and whether they were sent.

Knows outcomes and cost, nothing of Ray.
"""

import logging
from collections.abc import Iterator, Sequence

import apprise
from pydantic import SecretStr

from logistics.config import Config, ConfigError, Event, WatchConfig
from logistics.cost import Cost
from logistics.outcome import Night
from logistics.units import add_counts

_MOST = 5  # failures named in a message
_KINDS = {
    "success": apprise.NotifyType.SUCCESS,
    "failure": apprise.NotifyType.FAILURE,
    "late": apprise.NotifyType.WARNING,
}


def check(notify: Sequence[SecretStr]) -> None:
    """Raises ConfigError naming the entries of watch.notify that Apprise does not understand."""
    # Apprise would tell the URL, and with it a token.
    with apprise.LogCapture():  # type: ignore[no-untyped-call]
        unknown = [
            f"watch.notify: entry {number} is no URL that Apprise knows"
            for number, url in enumerate(notify, start=1)
            if apprise.Apprise.instantiate(url.get_secret_value()) is None
        ]
    if unknown:
        raise ConfigError("\n".join(unknown))


def send(config: WatchConfig, event: Event, title: str, body: str) -> str | None:
    """Tell everybody who is to hear of such an event; why some could not be told, if so."""
    if event not in config.notify_on or not config.notify:
        return None
    services = apprise.Apprise()
    for url in config.notify:
        services.add(url.get_secret_value())
    with apprise.LogCapture(level=logging.WARNING) as told:  # type: ignore[no-untyped-call]
        sent = services.notify(body=body, title=title, notify_type=_KINDS[event])
        return None if sent else told.getvalue().strip()


def title(config: Config, what: str) -> str:
    return f"logistics: {config.task} {config.date} {what}"


def ended(night: Night, cost: Cost) -> tuple[Event, str, str]:
    """(event, title, body) of a night that has ended."""
    config, outcomes = night.run.config, list(night.outcomes.values())
    failed = [
        f"{o.workload} {unit}: {why}" for o in outcomes for unit, why in sorted(o.failures.items())
    ]
    if night.unrecorded is not None:
        failed.insert(0, f"the run is not in `runs`: {night.unrecorded}")
    body = [*_failures(failed), _tally(night), f"cost: {cost}", f"plan: {config.plan}"]
    if night.complete:
        return "success", title(config, "is planned"), "\n".join(body)
    what = "stopped" if night.stopped else "failed"
    go_on = f"python -m logistics.run task=repair run={night.run.run_id} plan={config.plan}"
    body.append(f"to go on, mend what failed and run again, or: {go_on}")
    return "failure", title(config, what), "\n".join(body)


def broken(config: Config, reason: str) -> tuple[Event, str, str]:
    """(event, title, body) of a task that could not be carried out at all."""
    body = f"{reason}\nplan: {config.plan}\nto go on, mend it and run the same command again"
    return "failure", title(config, "failed"), body


def late(config: Config, run_id: str, waiting: str) -> tuple[Event, str, str]:
    """(event, title, body) of a night that is not over by its deadline."""
    body = f"run {run_id} is not over after {config.watch.deadline_minutes:g} minutes; {waiting}"
    return "late", title(config, "is late"), body


def _failures(failed: Sequence[str]) -> Iterator[str]:
    if failed:
        yield f"{len(failed)} failed:"
        yield from (f"- {line}" for line in failed[:_MOST])
    if len(failed) > _MOST:
        yield f"- and {len(failed) - _MOST} more, all in `runs`"


def _tally(night: Night) -> str:
    outcomes = night.outcomes.values()
    counts = add_counts([count for outcome in outcomes for count in outcome.counts])
    units, reused = night.units
    read, rejected = sum(c.rows_in for c in counts), sum(c.rows_rejected for c in counts)
    unserved = sum(o.figures.get("unserved", 0) for o in outcomes)
    return (
        f"{units:,} units ({reused:,} reused) in {night.seconds:,.0f} s, "
        f"{rejected:,} of {read:,} rows rejected, {unserved:,.0f} orders unserved"
    )
