"""Ruin and recreate on arrays, compiled (Christiaens and Vanden Berghe 2020, SISR).

Strings of stops are taken out of neighbouring tours and put back where they cost least; one that
fits nowhere may take the place of a smaller one. Knows no static problem and no engine. Tours are
linked lists over indexes: the stops, then the starts, then the ends of tours. Times are kept as
segments (duration, earliest and latest start; Vidal et al. 2013) up to and from every index, so a
place is weighed exactly in constant time. Under traffic it is weighed as if all else took as long
as before; then the tour is driven through the day, and the stop taken out again if that fails.
"""

from math import log

from logistics.routes.compiled import below, chance, compiled, sort, until
from logistics.routes.ruin_arrays import NEVER, Records, State, Tables
from logistics.routes.ruin_swaps import BLINK, NEAR, change_kind, eject, swap_kinds
from logistics.routes.ruin_tour import keep, link, refresh, undo

NEW_TOUR = NEVER
# As in the paper: stops taken out in the mean, in a string at most; strings split.
_TAKEN, _LONGEST, _SPLIT = 10, 10.0, 0.5
_ABSENT = 10  # stops left out that are tried again beside those taken out, at most
_AT_ANY_COST = 0.1  # steps without a look at penalties: none of several pays for a tour alone
# How often a tour gets any other kind of vehicle while stops are out, and a cheaper one afterwards.
_ANY_KIND, _BETTER_KIND = 0.1, 0.3
_EJECTED = 3  # stops of a step that make room for one that fits nowhere, at most


@compiled
def _ways(t: Tables, p: int, here: Records, stop: Records, there: Records) -> tuple[int, int]:
    """Seconds from one index to a stop, and from there to the next one and its rest; in traffic
    that of the half hours in which the tour is about there."""
    if not t.traffic.there:
        return t.duration_to[p, stop.node, here.node], t.duration[p, stop.node, there.node]
    zone, slowness = t.traffic.zone, t.traffic.slowness
    go = int(t.traffic.work_to[p, stop.node, here.node] * slowness[zone[here.node], here.slot])
    clock = max(here.leaves + go, stop.opens)
    slot = min(clock // t.traffic.slot_s, slowness.shape[1] - 1)
    on = int(t.traffic.work[p, stop.node, there.node] * slowness[zone[stop.node], slot])
    return go, on + there.rest


@compiled
def _best_place(
    t: Tables, s: State, u: int, cheapest: int, skip: int
) -> tuple[int, int, int, int, int]:
    """(tour, index before, window, kind, skip): where a stop costs least, and less than cheapest;
    tour -1: nowhere. skip: places to look at before one is overlooked."""
    num, num_loads = len(t.stops), t.capacity.shape[1]
    stop = t.stops[u]
    where, index, window, kind_number = -1, -1, 0, -1
    latest = t.windows[u, stop.num_windows - 1, 1]
    s.count[0].stamp += 1
    for v in t.near[u, :NEAR]:
        r = s.visits[v].tour
        if r < 0 or s.tours[r].stamp == s.count[0].stamp:
            continue
        tour = s.tours[r]
        tour.stamp = s.count[0].stamp
        k, kind = tour.kind, t.kinds[tour.kind]
        fits = t.allowed[k, u]
        for q in range(num_loads):
            fits = fits and s.loads[r, 0, q] + t.loads[u, 0, q] <= t.capacity[k, q]
            fits = fits and s.loads[r, 1, q] + t.loads[u, 1, q] <= t.capacity[k, q]
        if not fits:
            continue
        p, last = kind.profile, num + len(s.tours) + r
        whole, released = s.visits[last].head_s, max(tour.released, stop.release)
        to_m, from_m = t.distance_to[p, stop.node], t.distance[p, stop.node]
        room_m, room_drive = kind.max_m - tour.metres, kind.max_drive - tour.drive
        j = num + r
        while j != last:
            i, here = j, s.visits[j]
            if t.timed and here.head_s + here.head_early > latest:
                break
            j = here.after
            skip -= 1
            if skip < 0:
                skip = until(s.random, BLINK)
                continue
            there = s.visits[j]
            longer = to_m[here.node] + from_m[there.node] - here.leg_m
            cost = kind.per_m * longer
            if cost >= cheapest or longer > room_m:
                continue
            go, on = _ways(t, p, here, stop, there)
            if go + on - here.leg_s > room_drive:
                continue
            if t.mixed:
                fits = True
                for q in range(num_loads):
                    fits = fits and s.peaks[i, 0, q] + t.loads[u, 0, q] <= t.capacity[k, q]
                    fits = fits and s.peaks[i, 1, q] + t.loads[u, 1, q] <= t.capacity[k, q]
                if not fits:
                    continue
            if not t.timed:
                cheapest, where, index, kind_number = cost, r, i, k
                continue
            for w in range(stop.num_windows):
                spent = here.head_s + go
                opens, closes = t.windows[u, w, 0], t.windows[u, w, 1]
                if here.head_early + spent > closes:
                    continue
                wait = max(opens - spent - here.head_late, 0)
                early = max(opens - spent, here.head_early) - wait
                late = min(closes - spent, here.head_late)
                spent += wait + stop.service + on
                if early + spent > there.tail_late:
                    continue
                wait = max(there.tail_early - spent - late, 0)
                late = min(there.tail_late - spent, late)
                spent += wait + there.tail_s
                full = cost + kind.per_s * (spent - whole)
                if full < cheapest and spent <= kind.max_s and released <= late:
                    cheapest, where, index, window, kind_number = full, r, i, w, k
    for k in range(len(t.kinds)):
        skip -= 1
        if skip < 0:
            skip = until(s.random, BLINK)
        elif s.left[k] > 0 and t.alone[k, u, 0] < cheapest:
            cheapest, where, window, kind_number = t.alone[k, u, 0], NEW_TOUR, t.alone[k, u, 1], k
    return where, index, window, kind_number, skip


@compiled
def _take_out(t: Tables, s: State, u: int, length: int) -> None:
    """A string of stops with u among them out of its tour; sometimes one in its midst stays."""
    size, place = s.tours[s.visits[u].tour].size, s.visits[u].place
    stays = 1 < length < size and chance(s.random) < _SPLIT
    span = length + stays
    low, high = max(1, place - span + 1), min(place, size - span + 1)
    begin = low + below(s.random, high - low + 1)
    stay = begin + 1 + below(s.random, span - 2) if stays else 0
    i = u
    while s.visits[i].place > begin:
        i = s.visits[i].before
    for at in range(begin, begin + span):
        j = s.visits[i].after
        if at != stay:
            link(s, s.visits[i].before, j)
            s.visits[i].tour = -1
            s.count[0].missed += t.stops[i].penalty
            s.out[s.count[0].out] = i
            s.count[0].out += 1
        i = j


@compiled
def _ruin(t: Tables, s: State) -> bool:
    """Strings out of tours around one stop; whether what is left of these keeps every rule."""
    num, served, num_tours = len(t.stops), 0, 0
    for tour in s.tours[: s.count[0].top]:
        served, num_tours = served + tour.size, num_tours + (tour.size > 0)
    seed = below(s.random, num)
    for v in t.near[seed]:
        if s.visits[v].tour < 0 and s.count[0].out < _ABSENT:
            s.out[s.count[0].out] = v
            s.count[0].out += 1
    if not served:
        return True
    most = min(_LONGEST, served / num_tours)
    strings = 1 + int(chance(s.random) * max(4 * _TAKEN / (1 + most) - 1, 1.0))
    for v in t.near[seed]:
        r = s.visits[v].tour
        if r >= 0 and not s.tours[r].touched:
            keep(s, r, num)
            _take_out(t, s, v, 1 + below(s.random, int(min(most, s.tours[r].size))))
            strings -= 1
            if strings == 0:
                break
    for at in range(s.count[0].touched):
        r = s.saved[at].tour
        if s.visits[num + r].after >= num:
            s.tours[r].size = 0
            s.left[s.tours[r].kind] += 1
        elif not refresh(t, s, r):
            return False
    return True


@compiled
def _recreate(t: Tables, s: State) -> None:
    """The stops that are out back where they cost least, one after the other."""
    num, skip = len(t.stops), until(s.random, BLINK)
    rule, drawn = 0, chance(s.random)
    while t.odds[rule] <= drawn:
        rule += 1
    for at in range(s.count[0].out):
        s.ranks[at] = chance(s.random) if rule == 0 else t.keys[rule, s.out[at]]
    sort(s.out, s.ranks, s.count[0].out)
    at_any_cost = chance(s.random) < _AT_ANY_COST
    at, ejected = -1, 0
    while at + 1 < s.count[0].out:
        at += 1
        u = s.out[at]
        most = NEVER if at_any_cost else t.stops[u].penalty
        r, i, window, kind, skip = _best_place(t, s, u, most, skip)
        if r < 0:
            if ejected < _EJECTED and s.count[0].out < num and eject(t, s, u):
                ejected += 1
            continue
        if r == NEW_TOUR:
            r = 0
            while s.tours[r].size > 0:
                r += 1
            keep(s, r, num)
            s.count[0].top = max(s.count[0].top, r + 1)
            s.tours[r].kind, i = kind, num + r
            s.left[kind] -= 1
            link(s, i, i + len(s.tours))
        keep(s, r, num)
        link(s, u, s.visits[i].after)
        link(s, i, u)
        s.visits[u].window = window
        if refresh(t, s, r):
            s.count[0].missed -= t.stops[u].penalty
        else:  # a place is weighed by the times as they were
            link(s, s.visits[u].before, s.visits[u].after)
            s.visits[u].tour = -1
            if i == num + r and s.visits[i].after >= num:
                s.tours[r].size = 0
                s.left[kind] += 1
            else:
                refresh(t, s, r)


@compiled
def _cost(s: State) -> int:
    cost: int = s.count[0].missed
    for tour in s.tours[: s.count[0].top]:
        cost += tour.cost if tour.size > 0 else 0
    return cost


@compiled
def _remember(s: State, cost: int) -> None:
    s.count[0].best = cost
    for i in range(len(s.visits)):
        s.best_after[i] = s.visits[i].after
    for r in range(len(s.tours)):
        s.best_tours[r, 0], s.best_tours[r, 1] = s.tours[r].kind, s.tours[r].size


@compiled
def search(t: Tables, s: State, steps: int, hot: float, cold: float) -> None:
    """So many steps from hot to cold, each undone where it costs more than the last by the heat."""
    heat, cooling, current = hot, (cold / hot) ** (1.0 / steps), _cost(s)
    if current < s.count[0].best:
        _remember(s, current)
    for _ in range(steps):
        heat *= cooling
        missed, fits = s.count[0].missed, _ruin(t, s)
        if fits:
            swap_kinds(t, s)
            change_kind(t, s, _ANY_KIND, NEVER)
            _recreate(t, s)
            change_kind(t, s, _BETTER_KIND, 0)
            cost = _cost(s)
            fits = cost < current - heat * log(1.0 - chance(s.random))
        if fits:
            current = cost
            if cost < s.count[0].best:
                _remember(s, cost)
        else:
            undo(t, s)
            s.count[0].missed = missed
        for at in range(s.count[0].touched):
            s.tours[s.saved[at].tour].touched = 0
        s.count[0].out = s.count[0].saved = s.count[0].touched = 0
        while s.count[0].top > 0 and s.tours[s.count[0].top - 1].size == 0:
            s.count[0].top -= 1
