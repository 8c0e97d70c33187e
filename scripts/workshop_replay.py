"""Nights replayed: the demo world's assets wear, fail and are visited as each policy decides.

The wear is the world's own (`logistics.world.wear`): same pace, same shocks, same loads for every
policy. All see the same estimates each night: each component's true remaining life at its usual
load, wrong by a lognormal error of so many per cent that lasts for days. The lives used up at the
end, beyond those at the beginning, cost their share of a service.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from workshop_cases import normal_cdf
from workshop_rules import Rule

from logistics.config import MaintenanceConfig, WorldConfig
from logistics.maintenance.problem import (
    HORIZON_DAYS,
    Bay,
    Job,
    Part,
    Technician,
    WorkshopProblem,
)
from logistics.world import assets as made
from logistics.world.wear import (
    COMPONENTS,
    MORE_WHEN_WORN,
    REPAIR_DAYS,
    Fleet,
    fleet,
    pace_at,
    renewed_state,
    shocks,
)

Array = NDArray[np.float64]
MEMORY = 0.9  # of an estimate's error, from night to night
DAY_H = 24.0
WEEK_SHARE = (6 + 0.15) / 7  # of the load: Sundays are quiet


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A workshop's n assets over the nights; c components each.

    load (n, nights); pace, limit, state (n, c); shock, renewed (n, c, nights); error (n, c, nights)
    standard normal; minute (n, nights): when on a day an asset fails.
    """

    about: pl.DataFrame
    components: tuple[tuple[str, ...], ...]
    load: Array
    usual: Array
    pace: Array
    limit: Array
    state: Array
    shock: Array
    renewed: Array
    error: Array
    minute: Array


@dataclass(frozen=True, slots=True)
class Toll:
    """What the nights have cost."""

    cost: float
    failures: int
    visits: int
    downtime_h: float

    def __add__(self, other: "Toll") -> "Toll":
        return Toll(
            self.cost + other.cost,
            self.failures + other.failures,
            self.visits + other.visits,
            self.downtime_h + other.downtime_h,
        )


def truth(world: WorldConfig, workshop_id: str, nights: int, seed: int) -> Truth:
    sites = [s for s in made.sites(world) if made.workshop_id(s) == workshop_id]
    about = pl.concat(made.assets(world, seed, site) for site in sites)
    rng = np.random.default_rng([seed, 61])
    past = world.telemetry_days
    weekdays = (np.arange(past + nights) - past + world.date.weekday()) % 7
    parts, rows = [], []
    for kind in sorted(set(about["kind"])):
        mine = np.flatnonzero(about["kind"].to_numpy() == kind)
        rows.append(mine)
        parts.append(fleet(rng, kind, mine.size, weekdays))
    order = np.argsort(np.concatenate(rows))
    load, pace, limit, state = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("load", "pace", "limit", "state")
    )
    shape = (*state.shape, nights)
    busy = weekdays != 6
    usual = load[:, busy].mean(axis=1) * WEEK_SHARE
    state = _lived(rng, Fleet(load[:, :past], pace, limit, state))
    return Truth(
        about=about,
        components=tuple(tuple(COMPONENTS[kind]) for kind in about["kind"]),
        load=load[:, past:],
        usual=usual,
        pace=pace,
        limit=limit,
        state=state,
        shock=shocks(rng, shape),
        renewed=renewed_state(rng, shape),
        error=_lasting(rng, shape),
        minute=rng.integers(360, 1200, (len(load), nights)).astype(float),
    )


def _lived(rng: np.random.Generator, past: Fleet) -> Array:
    """The wear after the past days, in which assets were repaired when they failed."""
    state = past.state
    for day in range(past.load.shape[1]):
        grown = past.load[:, [day]] * past.pace * pace_at(state)
        state = state + grown * shocks(rng, state.shape)
        state = np.where(state >= past.limit, renewed_state(rng, state.shape), state)
    return np.asarray(state)


def _lasting(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal errors of which MEMORY is left the next night."""
    fresh = rng.standard_normal(shape)
    for night in range(1, shape[-1]):
        fresh[..., night] = (
            MEMORY * fresh[..., night - 1] + np.sqrt(1 - MEMORY**2) * fresh[..., night]
        )
    return np.asarray(fresh)


@dataclass(frozen=True, slots=True)
class Policy:
    """rule: how the jobs are booked. every: full-load days after which an asset is a job, whatever
    its risk; None: assets are jobs by their risk, as in the night."""

    rule: Rule
    every: float | None = None


def replay(
    seen: Truth, shop: WorkshopProblem, policy: Policy, noise: float, options: MaintenanceConfig
) -> Toll:
    """The nights under one policy; only the coming day's visits are carried out each night."""
    n, nights = seen.load.shape
    state, away = seen.state.copy(), np.zeros(n, dtype=int)
    row_of = {asset_id: row for row, asset_id in enumerate(seen.about["asset_id"])}
    failure, service = (seen.about[f"cost_of_{w}"].to_numpy() for w in ("failure", "service"))
    # Nobody knows how far the assets have run before: as if their services had been spread evenly.
    run = np.linspace(0, policy.every or 0, n)
    stock, cost, downtime_h, failures, visits = Stock(shop), 0.0, 0.0, 0, 0
    for night in range(nights):
        chance = chances(seen, state, night, noise)
        wanted = _at_risk(seen, chance, options) if policy.every is None else run > policy.every
        rows = np.flatnonzero(wanted & (away == 0))
        jobs = {job.asset_id: job for job in _jobs(seen, chance, rows, shop.num_days, options)}
        day = shop.first_day + timedelta(days=night)
        parts, tonight = stock.tonight(night), tuple(jobs.values())
        problem = replace(shop, first_day=day, jobs=tonight, parts=parts)
        for visit in policy.rule(problem):
            if visit.day == 0:
                job, row = jobs[visit.asset_id], row_of[visit.asset_id]
                part = seen.components[row].index(str(job.component))
                state[row, part] = seen.renewed[row, part, night]
                away[row], run[row] = 1, 0.0
                stock.use(str(job.component), night)
                cost += service[row] + options.vehicle_day_price
                downtime_h += DAY_H - visit.start_s / 3600
                visits += 1
        load = np.where(away > 0, 0.0, seen.load[:, night])[:, None]
        run += load[:, 0]
        state += load * seen.pace * pace_at(state) * seen.shock[:, :, night]
        worst = np.argmax(state / seen.limit, axis=1)
        broken = np.flatnonzero((state >= seen.limit).any(axis=1))
        away = np.maximum(away - 1, 0)
        away[broken], run[broken] = REPAIR_DAYS, 0.0
        state[broken, worst[broken]] = seen.renewed[broken, worst[broken], night]
        failures += broken.size
        days = REPAIR_DAYS + 1
        cost += float((failure[broken] + days * options.vehicle_day_price).sum())
        downtime_h += float((REPAIR_DAYS * DAY_H + DAY_H - seen.minute[broken, night] / 60).sum())
    worn = _life_used(seen, state) - _life_used(seen, seen.state)
    cost += float((worn * (service + options.vehicle_day_price)).sum())
    return Toll(cost, failures, visits, downtime_h)


def hindsight(seen: Truth, options: MaintenanceConfig) -> Toll:
    """What hardly any policy undercuts: each component is serviced on the day it would have failed,
    as if the lives were known and there were room for all. Absences, which rest assets, can."""
    service = seen.about["cost_of_service"].to_numpy() + options.vehicle_day_price
    state, cost, visits = seen.state, 0.0, 0
    for night in range(seen.load.shape[1]):
        load = seen.load[:, night, None]
        state = state + load * seen.pace * pace_at(state) * seen.shock[:, :, night]
        worn_out = state >= seen.limit
        state = np.where(worn_out, seen.renewed[:, :, night], state)
        cost += float(worn_out.sum(axis=1) @ service)
        visits += int(worn_out.sum())
    worn = _life_used(seen, state) - _life_used(seen, seen.state)
    return Toll(cost + float(worn @ service), 0, visits, 0.0)


def _life_used(seen: Truth, state: Array) -> Array:
    """Lives (n,) that the components of an asset have behind them, each 0 to 1: a policy that
    leaves worn ones behind has not spared their services, but put them off."""
    whole, left = (np.log(pace_at(seen.limit) / pace_at(s)) for s in (0 * state, state))
    return np.asarray((1 - left / whole).sum(axis=1))


class Stock:
    """Parts at hand; whatever is used is ordered at once, and there after its lead time."""

    def __init__(self, shop: WorkshopProblem) -> None:
        self.parts = shop.parts
        self.due: list[tuple[str, int]] = []
        self.level = {component: part.stock for component, part in shop.parts.items()}

    def use(self, component: str, night: int) -> None:
        if component in self.level:
            self.level[component] -= 1
            self.due.append((component, night + self.parts[component].lead_days))

    def tonight(self, night: int) -> dict[str, Part]:
        for component, _ in [d for d in self.due if d[1] <= night]:
            self.level[component] += 1
        self.due = [d for d in self.due if d[1] > night]
        return {c: Part(self.level[c], self._next(c, night)) for c in self.parts}

    def _next(self, component: str, night: int) -> int:
        """Days until more of it comes."""
        coming = [on - night for name, on in self.due if name == component]
        return min(coming, default=self.parts[component].lead_days)


def _at_risk(seen: Truth, chance: Array, options: MaintenanceConfig) -> NDArray[np.bool_]:
    """The night's own rule of who is a job at all (shop_inputs.jobs)."""
    worst = chance.max(axis=1)
    left = (_failure(seen, options) * worst[:, HORIZON_DAYS]) > seen.about["cost_of_service"]
    return np.asarray((worst[:, 7] >= options.at_risk_p7) | left.to_numpy())


def _failure(seen: Truth, options: MaintenanceConfig) -> pl.Series:
    return seen.about["cost_of_failure"] + options.failure_days * options.vehicle_day_price


def _jobs(
    seen: Truth, chance: Array, rows: NDArray[np.intp], num_days: int, options: MaintenanceConfig
) -> Iterator[Job]:
    worst = chance[:, :, HORIZON_DAYS].argmax(axis=1)
    failure, service = _failure(seen, options), seen.about["cost_of_service"]
    for row in rows.tolist():
        yield Job(
            asset_id=seen.about["asset_id"][row],
            site_id=seen.about["site_id"][row],
            kind=seen.about["kind"][row],
            component=seen.components[row][worst[row]],
            duration_s=options.job_hours * 3600,
            p_fail=tuple(chance[row, worst[row]].tolist()),
            cost_of_failure=failure[row],
            cost_of_service=service[row],
            life_day_price=service[row] / options.service_life_days,
            day_prices=(options.vehicle_day_price,) * num_days,
        )


def chances(seen: Truth, state: Array, night: int, noise: float) -> Array:
    """(n, c, HORIZON_DAYS + 1) estimated chance to have failed before the morning of each day.

    At the usual load wear follows ds/dt = load · pace · (a + b·s), so that the life left is known;
    its shocks make it uncertain by 0.58 / √days, the estimate's error by `noise` on top.
    """
    fast = np.log(pace_at(seen.limit) / np.minimum(pace_at(state), pace_at(seen.limit)))
    left = fast / (MORE_WHEN_WORN * seen.usual[:, None] * seen.pace)
    guess = np.maximum(left, 0.1) * np.exp(noise * seen.error[:, :, night])
    days = np.arange(HORIZON_DAYS + 1) + 1e-9
    spread = np.sqrt(noise**2 + 0.33 / np.maximum(guess, 1.0))[:, :, None]
    return normal_cdf(np.log(days / guess[:, :, None]) / spread)


def empty_shop(
    world: WorldConfig, workshop_id: str, options: MaintenanceConfig, assets_per_bay: int
) -> WorkshopProblem:
    """The made company's workshop without jobs: a bay and two people for so many assets each, and
    at least one of every part, the more the more assets."""
    tables = made.workshops(world)
    row = tables["workshops"].filter(workshop_id=workshop_id).to_dicts()[0]
    homes = [s for s in made.sites(world) if made.workshop_id(s) == workshop_id]
    bays = max(1, round(sum(len(s.asset_ids) for s in homes) / assets_per_bay))
    people = tables["technicians"].filter(workshop_id=workshop_id).head(max(2 * bays, 2))
    parts = tables["parts"].filter(workshop_id=workshop_id)
    grown = max(1, round(sum(len(s.asset_ids) for s in homes) / made.ASSETS_PER_BAY))
    return WorkshopProblem(
        workshop_id=workshop_id,
        first_day=world.date,
        num_days=options.schedule_days,
        bays=tuple(Bay(n + 1) for n in range(bays)),
        opens_s=row["opens_s"],
        closes_s=row["closes_s"],
        weekdays=frozenset(row["weekdays"]),
        technicians=tuple(
            Technician(
                t["technician_id"],
                t["shift_start_s"],
                t["shift_end_s"],
                frozenset(t["skills"]) if t["skills"] else None,
            )
            for t in people.to_dicts()
        ),
        jobs=(),
        parts={
            p["component"]: Part(max(p["stock"], 1) * grown, p["lead_time_days"])
            for p in parts.to_dicts()
        },
        max_away={
            s.site_id: (max(1, int(options.max_away_share * len(s.asset_ids))),)
            * options.schedule_days
            for s in homes
        },
    )
