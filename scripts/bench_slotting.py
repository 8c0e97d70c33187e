#!/usr/bin/env -S sh -c 'd=$(dirname "$0"); "$d/setup" && exec "$d/../.venv/bin/python" "$0" "$@"'
"""What slotting saves in walking, out of time, on real order lines.

    scripts/bench_slotting.py --order-lines FILE.parquet --from DATE --out FILE.json [--seed N]
        [--payback-days D]
    scripts/bench_slotting.py --slaprp DIR [--seconds S] [--longer L --seeds K] [--out FILE.json]
    scripts/bench_slotting.py --warehouses N [--cpus C] [--out FILE.json]

FILE has order_id, sku, ts and qty. The standard warehouse is one block of 20 aisles × 20 bays ×
2 sides × 4 levels (bays 1.5 m, aisles 5 m apart, depot at the front left); tours have at most 30
lines, a larger order is dealt at random into tours of like size. Every policy learns from the lines
before DATE and keeps its layout from then on; a new SKU is put into an empty slot on its first
pick, near those with neighbouring ids. Walked are S-shape and shortest tours (Ratliff and
Rosenthal). The walk-forward begins with the forecast's layout, or with ABC's, and moves up to 30
SKUs a night, where that pays back in D days. DIR holds instances of joint assignment and
routing (SLAPRP), solved within S seconds each, and K times within L seconds to tell how far the
first value is from the best of all. N warehouses of 10,000 SKUs and slots are solved in Ray tasks,
side by side. Exit code 2: it could not be done.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import slotting_assignment
import slotting_case as cases
import slotting_nights as nights
import slotting_policies as policies
import slotting_slaprp
from rich.console import Console
from rich.table import Table
from slotting_case import Case
from slotting_policies import Layout
from slotting_shortest import shortest

from logistics.slotting.problem import Ints
from logistics.slotting.travel import walk

STALE_DAYS, STALE_MOVES = 90, 150  # of the one night that begins with an old layout

Report = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        if options.slaprp:
            seeds = range(options.seed + 1, options.seed + 1 + options.seeds * (options.longer > 0))
            report = slotting_slaprp.run(
                Path(options.slaprp), options.seconds, options.seed, options.longer, seeds
            )
        elif options.warehouses:
            report = slotting_assignment.many(options.warehouses, options.cpus, options.seed)
            print(json.dumps(report))
        else:
            case = cases.read(options.order_lines, options.start, options.seed)
            report = bench(case, options.payback_days)
    except (OSError, ValueError) as fault:
        print(f"bench_slotting: {fault}", file=sys.stderr)
        return 2
    if options.out:
        Path(options.out).write_text(json.dumps(report, indent=2) + "\n")
    return 0


def bench(case: Case, payback_days: float) -> Report:
    tours = case.tours(case.start, case.days)
    report: Report = {
        "from": str(case.day(case.start)),
        "to": str(case.day(case.days - 1)),
        "tours": len(tours),
        "lines": int(tours.tour.size),
    }
    report["policies"] = _policies(case)
    _show(report)
    parts: dict[str, Callable[[], Report]] = {
        "promised": lambda: _promised(case, report["policies"]),
        "stale": lambda: _stale(case, payback_days),
        "assignment": lambda: slotting_assignment.run(case.seed),
        "walk_forward": lambda: _walk_forward(case, report["policies"], payback_days),
    }
    for name, part in parts.items():
        report[name] = part()
        print(f"{name}: {json.dumps(report[name])}", flush=True)
    return report


def _policies(case: Case) -> Report:
    """Metres of every policy; shares of what ABC walks and of what the oracle saves of it."""
    found = {
        name: _walked(case, policy(case, case.start)) for name, policy in policies.POLICIES.items()
    }
    for figures in found.values():
        for kind in ("s_shape", "optimal"):
            abc_m, oracle_m = (found[name][f"{kind}_m"] for name in ("abc", "oracle"))
            saved_m = abc_m - figures[f"{kind}_m"]
            figures[f"{kind}_saved"] = saved_m / abc_m
            figures[f"{kind}_of_oracle"] = saved_m / max(abc_m - oracle_m, 1e-9)
    return found


def _walked(case: Case, layout: Layout) -> dict[str, float]:
    tours = case.tours(case.start, case.days)
    slot_of = _settled(case, layout)
    return {
        "s_shape_m": float(walk(case.layout, tours, slot_of).sum()),
        "optimal_m": float(shortest(case.layout, tours, slot_of).sum()),
    }


def _settled(case: Case, layout: Layout) -> Ints:
    return cases.settle(case, layout.slot_of, layout.empty, case.picked(case.start, case.days))


def _promised(case: Case, found: Report) -> Report:
    """The saving over ABC that the night expects beforehand, beside what was walked."""
    expected = policies.promised(case, case.start)
    simulated = found["forecast"]["s_shape_saved"]
    return {"saved": expected, "simulated": simulated, "apart": expected - simulated}


def _walk_forward(case: Case, found: Report, payback_days: float) -> Report:
    """Nights of few moves beside nights that re-slot everything; saved: of what ABC walks."""
    days = range(case.start, case.days)
    ideals = {day: policies.forecast(case, day) for day in days}
    few = nights.few_moves(case, ideals, nights.MOVES, payback_days)
    stale = policies.abc(case, case.start)
    walked = {
        "everything_m": nights.walk_forward(case, ideals[case.start], nights.resettle(ideals)),
        "moves_m": nights.walk_forward(case, ideals[case.start], few),
        "moves_from_abc_m": nights.walk_forward(case, stale, few),
    }
    abc_m = found["abc"]["s_shape_m"]
    saved = {name[:-2] + "_saved": 1 - metres / abc_m for name, metres in walked.items()}
    return {
        "moves_a_night": nights.MOVES,
        "nights": len(days) - 1,
        **walked,
        **saved,
        "of_everything": saved["moves_saved"] / max(saved["everything_saved"], 1e-9),
        "of_everything_from_abc": saved["moves_from_abc_saved"]
        / max(saved["everything_saved"], 1e-9),
    }


def _stale(case: Case, payback_days: float) -> Report:
    """One night's moves, and no more, from what ABC and the forecast laid out long ago."""
    then = max(case.start - STALE_DAYS, 1)
    ideal = policies.forecast(case, case.start)
    report: Report = {"days": case.start - then, "moves": STALE_MOVES}
    for name in ("abc", "forecast"):
        old = policies.POLICIES[name](case, then)
        settled = nights.brought_in(case, old, then, case.start, ideal)
        kept_days = case.days - case.start
        moved, promised_m = nights.moved(
            case, settled, case.start, ideal, STALE_MOVES, payback_days, kept_days
        )
        before_m, after_m = (_walked(case, layout)["s_shape_m"] for layout in (settled, moved))
        report[name] = {
            "before_m": before_m,
            "after_m": after_m,
            "saved": 1 - after_m / before_m,
            "promised": promised_m * kept_days / before_m,
        }
    return report


def _show(report: Report) -> None:
    table = Table(title=f"walking from {report['from']} on, {report['tours']:,} tours")
    for column in ("policy", "S-shape km", "saved", "of oracle", "shortest km", "saved"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for name, figures in report["policies"].items():
        table.add_row(
            name,
            f"{figures['s_shape_m'] / 1000:,.0f}",
            f"{figures['s_shape_saved']:.1%}",
            f"{figures['s_shape_of_oracle']:.0%}",
            f"{figures['optimal_m'] / 1000:,.0f}",
            f"{figures['optimal_saved']:.1%}",
        )
    Console().print(table)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--order-lines", metavar="FILE.parquet")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, metavar="DATE")
    help_ = "until a move has earned back its labour, else it is not made; a night's default is 90"
    parser.add_argument("--payback-days", type=float, default=10_000.0, help=help_)
    parser.add_argument("--slaprp", metavar="DIR")
    parser.add_argument("--seconds", type=float, default=10.0, help="per SLAPRP instance")
    parser.add_argument("--longer", type=float, default=0.0, help="seconds of the longer runs")
    parser.add_argument("--seeds", type=int, default=1, help="longer runs per instance")
    parser.add_argument("--warehouses", type=int, metavar="N")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", metavar="FILE.json")
    options = parser.parse_args(arguments)
    other = options.slaprp or options.warehouses
    if not other and not (options.order_lines and options.start):
        parser.error("--order-lines and --from are needed, or --slaprp or --warehouses")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
