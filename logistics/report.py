"""What a person sees: progress while the night works, its summary, and refusals.

Knows rich and the outcomes of a night; computes nothing. Progress and refusals go to stderr, so
that stdout holds the answer alone.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from logistics import explain as story
from logistics import freshness, matches
from logistics.config import Config
from logistics.cost import cost
from logistics.outcome import Night, Outcome, Progress
from logistics.outputs import OUTPUTS
from logistics.registry import Card
from logistics.units import Count, add_counts
from logistics.upkeep import Tidied

_MOST = 20  # failures listed per workload
_QUIET_S = 30.0  # of a step without a terminal
_COMMAND = f"{sys.executable} -m logistics.run"  # works wherever it is pasted
_WIDTH = 132  # of the summary where there is no terminal to ask
_out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on a terminal; elsewhere a line when a step begins, when it ends and now and then."""
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=_err, disable=not _err.is_terminal) as bars:
        shown = {}
        told_at: dict[str, float] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=total)
            bars.update(shown[what], completed=done, total=total)
            now = time.monotonic()
            if not _err.is_terminal and (
                done == total or now - told_at.get(what, -_QUIET_S) >= _QUIET_S
            ):
                told_at[what] = now
                _err.print(f"{what}: {done} of {total}")

        yield tell


def refuse(reason: str) -> int:
    """Say why the request cannot be carried out; the exit code for that."""
    for line in reason.splitlines():
        _err.print(f"[bold red]✗[/] {_plain(line)}")
    return 2


def oversights(lines: Iterable[str]) -> None:
    """What in the lake is probably meant to be read and is not."""
    for line in lines:
        _err.print(f"[bold yellow]?[/] {_plain(line)}")


def interrupted() -> int:
    whole = "every table that was published is whole, and units that are done are kept"
    _err.print(f"[bold red]✗[/] interrupted; {whole}. Run the same command again to go on")
    return 130


def stopping() -> None:
    """Said when a night is told to stop."""
    _err.print("stopping: units in flight are finished and published; once more stops at once")


def nothing(config: Config) -> int:
    """Said of a request that asks for nothing that is not there already; its exit code."""
    _out.print(f"Every night from {config.first} to {config.last} is whole in {config.plan}")
    return 0


def tidied(config: Config, tables: Iterable[Tidied]) -> int:
    """What task=tidy did, table by table."""
    for done in tables:
        _out.print(
            f"{done.table:<20} {done.nights_dropped:,} nights dropped, "
            f"{done.files_compacted:,} files compacted, {done.files_removed:,} files removed"
        )
    kept = config.retention
    _out.print(f"plan      {config.plan}, {kept.versions_days} days of versions kept")
    return 0


def rolled_back(config: Config, run_id: str, changed: Sequence[str]) -> int:
    """What task=rollback brought back."""
    what = ", ".join(changed) or "nothing: it was already so"
    _out.print(f"The plan for {config.date} is again that of run {run_id}; changed: {what}")
    return 0


def made(config: Config) -> int:
    """What task=world made."""
    _out.print(f"{config.world.name} (seed {config.seed}) is at {config.lake}")
    same = f"world={config.world.name} seed={config.seed}"
    where = same if config.made else f"lake={config.lake} date={config.world.date}"
    _out.print(f"Next: {_COMMAND} {where}")
    return 0


def trained(config: Config, card: Card) -> int:
    """A freshly trained champion and its scores."""
    _out.print(
        f"{card.workload} model {card.version}, trained on everything before {card.trained_to}"
    )
    _out.print(_scores(card))
    if card.lost_to:
        _out.print(
            f"Champion {card.lost_to} was better on the last origins and stays the champion."
        )
    else:
        _out.print(f"It is the champion in {config.models}; the next night uses it.")
    return 0


def model_rolled_back(config: Config, card: Card) -> int:
    """What task=rollback_model brought back."""
    _out.print(f"{card.workload} model {card.version} is the champion again in {config.models}")
    _out.print(_scores(card))
    return 0


def backtested(config: Config, summaries: Mapping[str, pl.DataFrame]) -> int:
    """What task=backtest found, a table for each way to group it."""
    _out.print(f"Forecasts of earlier nights against what came, up to {config.date}")
    for grouped, rows in summaries.items():
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column(grouped)
        told = [name for name in rows.columns if name not in (grouped, "values")]
        for name in told:
            table.add_column(name, justify="right")
        for row in rows.iter_rows(named=True):
            table.add_row(str(row[grouped] or "none"), *(f"{row[name]:.3f}" for name in told))
        _out.print()
        _out.print(table)
    _out.print()
    _out.print(f"plan      {config.plan}  (forecast_backtests)")
    return 0


def explain(config: Config) -> int:
    """Print the story of one order, SKU or asset."""
    told = story.tell(config)
    if told is None:
        return refuse(story.unknown(config))
    for line in told:
        _out.print(_plain(line))
    return 0


def summary(night: Night) -> int:
    """Print the night; 0 when every unit is in, 1 when some failed, 130 when it was stopped."""
    config = night.run.config
    mark = "[bold green]✓[/]" if night.complete else "[bold red]✗[/]"
    _out.print()
    _out.print(f"{mark} [bold]The plan for {config.date:%A, %-d %B %Y}[/]   run {night.run.run_id}")
    _out.print()
    _out.print(_workloads(night.outcomes))
    for outcome in night.outcomes.values():
        for line in freshness.told(outcome.figures, config.date):
            _out.print(f"[yellow]stale[/]     {_plain(line)}")
        for line in matches.told(outcome.figures):
            _out.print(f"[yellow]unmatched[/] {_plain(line)}")
    for line in _remarks(night.outcomes):
        _out.print(line)
    _out.print(_rejects(night.outcomes))
    units, reused = night.units
    if reused:
        _out.print(f"reused    {reused:,} of {units:,} units, done before from the same inputs")
    for outcome in night.outcomes.values():
        for unit, reason in sorted(outcome.failures.items())[:_MOST]:
            _out.print(
                f"[bold red]failed[/]    {outcome.workload} {_plain(unit)}: {_plain(reason)}"
            )
        if len(outcome.failures) > _MOST:
            _out.print(f"          and {len(outcome.failures) - _MOST} more, all in `runs`")
    if night.unrecorded is not None:
        _out.print(f"[bold red]failed[/]    {_plain(night.unrecorded)}")
    _out.print(f"cost      {cost(config, night.outcomes)}")
    _out.print(f"plan      {config.plan}  ({', '.join(_written(night.outcomes))})")
    _out.print(_next_step(night))
    if night.stopped:
        return 130
    return 0 if night.complete else 1


def _workloads(outcomes: Mapping[str, Outcome]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("workload", "planned", "quality"):
        table.add_column(column)
    table.add_column("seconds", justify="right")
    for name, tell in _TELL.items():
        if name in outcomes:
            outcome = outcomes[name]
            planned, quality = tell(outcome)
            status = name if outcome.status == "done" else f"[red]{name} ({outcome.status})[/]"
            table.add_row(status, planned, quality, f"{outcome.seconds:.1f}")
    return table


def _forecast(outcome: Outcome) -> tuple[str, str]:
    planned = f"{outcome.figures.get('series', 0):,.0f} series at {_units(outcome, 'DC')}"
    told = "WQL {:.3f} against {:.3f} of seasonal naive, back-tested"
    return planned, _against(outcome.card, "wql", "naive_wql", told)


def _levels(outcome: Outcome) -> tuple[str, str]:
    if not outcome.figures.get("series"):
        return "no forecasts to add up", ""
    mean, low, high = (outcome.figures[name] for name in ("mean", "q10", "q90"))
    planned = f"the company's 30 days: {mean:,.0f} units"
    return planned, f"80 % between {low:,.0f} and {high:,.0f}, sums of all levels agree"


def _maintenance(outcome: Outcome) -> tuple[str, str]:
    assets, at_risk = (outcome.figures.get(name, 0) for name in ("assets", "at_risk"))
    planned = f"{assets:,.0f} assets, [bold]{at_risk:,.0f} at risk[/] of failing this week"
    if outcome.card and outcome.card.scores.keys() == {"failures"}:
        few = outcome.card.scores["failures"]
        return planned, f"{few:.0f} failures to learn from are too few: base rates only"
    told = "PR-AUC {:.2f} (30 days) against {:.2f} by age, back-tested"
    return planned, _against(outcome.card, "PR-AUC 30 d", "by age 30 d", told) + _earlier(outcome)


def _earlier(outcome: Outcome) -> str:
    """What became of the last month's alerts, once events have told."""
    failed, quiet, lead = (
        outcome.figures.get(f"alerts_{name}", 0) for name in ("failed", "quiet", "lead_days")
    )
    if failed + quiet == 0:
        return ""
    told = f"; of {failed + quiet:,.0f} earlier alerts {failed:,.0f} came true"
    return told + (f", {lead / failed:.1f} days ahead" if failed else "")


def _alerts(outcome: Outcome) -> tuple[str, str]:
    figures = outcome.figures
    planned = f"{figures.get('alerts', 0):,.0f} alerts"
    return planned, f"expected cost of leaving them a week {figures.get('expected_cost', 0):,.0f}"


def _against(card: Card | None, ours: str, rule: str, told: str) -> str:
    """The model's score beside the simple rule's; a card without them shows what it has."""
    if card is None:
        return ""
    if ours not in card.scores or rule not in card.scores:
        return _scores(card)
    return told.format(card.scores[ours], card.scores[rule])


def _workshop(outcome: Outcome) -> tuple[str, str]:
    figures = outcome.figures
    planned = (
        f"{_units(outcome, 'workshop')}: {figures.get('booked', 0):,.0f} booked "
        f"({figures.get('booked_tomorrow', 0):,.0f} for this day), "
        f"{figures.get('deferred', 0):,.0f} deferred"
    )
    return planned, f"expected cost avoided {figures.get('saving', 0):,.0f}"


def _routes(outcome: Outcome) -> tuple[str, str]:
    figures = outcome.figures
    depots = _units(outcome, "depot", int(figures.get("pool_mates", 0)))
    if not figures.get("orders"):
        return f"{depots}: {'nothing planned' if outcome.failures else 'no orders this day'}", ""
    idle = figures.get("idle_depots", 0)
    planned = (
        f"{depots}{f' ({idle:,.0f} idle)' if idle else ''}: "
        f"{figures.get('served', 0):,.0f} of {figures['orders']:,.0f} orders served on "
        f"{figures.get('routes', 0):,.0f} routes"
    )
    quality = (
        f"{figures.get('distance_km', 0):,.0f} km, {figures.get('late_stops', 0):,.0f} late stops, "
        f"{figures.get('unserved', 0):,.0f} unserved"
    )
    return planned, quality


def _slotting(outcome: Outcome) -> tuple[str, str]:
    figures = outcome.figures
    planned = f"{_units(outcome, 'warehouse')}: {figures.get('moves', 0):,.0f} moves"
    if figures.get("saving_per_day"):
        planned += f", paid back in {figures['labour_cost'] / figures['saving_per_day']:,.0f} days"
    hundreds = figures.get("picks", 0) / 100
    if not hundreds:
        return planned, "no picks to measure by"
    before, after = figures["walk_before_m"], figures["walk_after_m"]
    saved = f"{(before - after) / hundreds:,.1f} m saved per 100 recent picks"
    return planned, f"{saved} ({before / hundreds:,.0f} → {after / hundreds:,.0f})"


_TELL = {
    "forecast": _forecast,
    "levels": _levels,
    "maintenance": _maintenance,
    "alerts": _alerts,
    "workshop": _workshop,
    "routes": _routes,
    "slotting": _slotting,
}


def _units(outcome: Outcome, noun: str, mates: int = 0) -> str:
    """mates: sites that were planned together with that of a unit."""
    num = outcome.units + mates
    return f"{num:,} {noun}{'' if num == 1 else 's'}"


def _scores(card: Card) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in card.scores.items())


def _remarks(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    if "routes" not in outcomes:
        return
    figures = outcomes["routes"].figures
    reasons = {n.partition(":")[2]: v for n, v in figures.items() if n.startswith("unserved:")}
    if reasons:
        top = sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
        yield "unserved  " + ", ".join(f"{name} {count:.0f}" for name, count in top[:5])
    if figures.get("compared:distance_km"):  # on a day without a drive nothing is compared
        changes = [
            f"{label} {figures[f'compared:{name}'] / max(figures[f'before:{name}'], 1e-9) - 1:+.1%}"
            for label, name in (("distance", "distance_km"), ("cost", "cost"))
        ]
        yield f"routes    against each depot's last plan: {', '.join(changes)} (route_kpis)"
    for name in (name for name in figures if name.startswith("no_travel_service:")):
        fault = _plain(name.partition(":")[2])
        yield f"[yellow]travel[/]    default driving times at {figures[name]:.0f} depots: {fault}"
    kept = [n.partition(":")[2] for n in sorted(figures) if n.startswith("kept_back:")]
    if kept:
        more = f" and {len(kept) - 8} more" if len(kept) > 8 else ""
        yield f"workshop  kept off the routes: {', '.join(kept[:8])}{more}"


def _rejects(outcomes: Mapping[str, Outcome]) -> str:
    counts: list[Count] = add_counts([c for o in outcomes.values() for c in o.counts])
    rows, rejected = sum(c.rows_in for c in counts), sum(c.rows_rejected for c in counts)
    by_table = sorted((c for c in counts if c.rows_rejected), key=lambda c: -c.rows_rejected)
    named = ", ".join(f"{c.table} {c.rows_rejected:,}" for c in by_table[:6])
    return f"rejects   {rejected:,} of {rows:,} rows read" + (f": {named}" if named else "")


def _written(outcomes: Mapping[str, Outcome]) -> list[str]:
    rows = {t: n for o in outcomes.values() for t, n in o.rows_written.items() if n}
    return [f"{table} {rows[table]:,}" for table in OUTPUTS if table in rows]


def _next_step(night: Night) -> str:
    config = night.run.config
    if night.stopped:
        return "next      stopped; run the same command again to go on, what is done is kept"
    again = f"{_COMMAND} plan={config.plan}"
    if not night.complete:
        return (
            "next      mend what failed, then the same command again, or "
            f"{again} task=repair run={night.run.run_id}: only what failed is computed"
        )
    story = f"{again} date={config.date} task=explain order=… (or sku=…, asset=…)"
    return f"next      the story of one thing: {story}"


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
