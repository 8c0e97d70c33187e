"""Ruin and recreate on arrays, compiled: strings of stops are taken out of neighbouring tours and put
back where they cost least; what comes out may be dearer by some of the heat.

After Christiaens and Vanden Berghe 2020 (Slack Induction by String Removals). Knows no static
problem, no clock and no engine. Tours are linked lists over indexes: the stops, then the starts,
then the ends of the tours. Times are kept as segments (duration, earliest and latest start; Vidal
et al. 2013) up to and from every index, so a place is weighed exactly in constant time.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Records = NDArray[np.void]

NEVER = 2**60
NEW_TOUR = 2**60
_ABSENT = 10  # stops left out that are tried again beside those taken out, at most


def _fields(names: str) -> np.dtype[np.void]:
    return np.dtype([(name, np.int64) for name in names.split()])


STOP = _fields("node service release penalty num_windows")
KIND = _fields("start end opens closes fixed per_m per_s max_m max_s max_drive profile")
VISIT = _fields(
    "after before node place tour window leg_m leg_s"  # the leg from here on
    " head_s head_early head_late tail_s tail_early tail_late"
)
TOUR = _fields("kind size cost metres drive released touched stamp")
SAVED = _fields("tour kind size")
COUNT = _fields("out touched saved top missed stamp best random")


class Tables(NamedTuple):
    """What does not change; n stops, k kinds of vehicle, l loads.

    near: stops by distance, the stop itself first. keys: in what order stops are put back; odds:
    the rules' chances, added up. alone (k, n, 2): cost and window of a tour of one stop.
    """

    distance: NDArray[np.int32]  # (profiles, nodes, nodes)
    duration: NDArray[np.int32]
    distance_to: NDArray[np.int32]  # from the second node to the first: one stop's lie together
    duration_to: NDArray[np.int32]
    stops: Records
    windows: Ints  # (n, windows, 2)
    loads: Ints  # (n, 2, l): delivered, fetched
    kinds: Records
    capacity: Ints  # (k, l)
    allowed: NDArray[np.bool_]  # (k, n)
    alone: Ints
    near: NDArray[np.int32]
    keys: NDArray[np.float64]  # (rules, n), the first rule being chance
    odds: NDArray[np.float64]
    timed: bool
    mixed: bool  # some stops bring, others fetch
    near_tours: int
    removed: float
    longest: int
    split: float
    blink: float
    rekind: float
    swap: float


class State(NamedTuple):
    """Tours as they are, what was touched as it was before this step, and the best tours."""

    visits: Records
    peaks: Ints  # (indexes, 2, l): most on board on the legs up to and from here on
    tours: Records
    loads: Ints  # (tours, 2, l)
    left: Ints  # vehicles of each kind
    saved: Records
    saved_stops: Ints  # (n, 2): stop, window
    out: Ints
    ranks: NDArray[np.float64]
    best_after: Ints
    best_tours: Ints  # (tours, 2): kind, size
    count: Records  # of one


@njit(cache=True)
def _chance(s):
    """Uniform in [0, 1): xorshift64* (Vigna 2016)."""
    x = np.uint64(s.count[0].random)
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    s.count[0].random = np.int64(x)
    return float((x * np.uint64(2685821657736338717)) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def _below(s, n):
    return int(_chance(s) * n)


@njit(cache=True)
def refresh(t, s, r):
    """All that is known of a tour from its links; whether it keeps every rule."""
    num, num_loads = len(t.stops), t.capacity.shape[1]
    first, last = num + r, num + len(s.tours) + r
    tour, kind = s.tours[r], t.kinds[s.tours[r].kind]
    k, p = tour.kind, kind.profile
    s.visits[first].node, s.visits[last].node = kind.start, kind.end
    s.visits[first].head_s = 0
    s.visits[first].head_early, s.visits[first].head_late = kind.opens, kind.closes
    s.loads[r] = 0
    metres, drive, released, size, fits = 0, 0, 0, 0, True
    i = first
    while i != last:
        here = s.visits[i]
        j = here.after
        there = s.visits[j]
        here.leg_m = t.distance[p, here.node, there.node]
        here.leg_s = t.duration[p, here.node, there.node]
        metres += here.leg_m
        drive += here.leg_s
        opens, closes, service = kind.opens, kind.closes, 0
        if j < num:
            size += 1
            there.place, there.tour = size, r
            fits = fits and t.allowed[k, j]
            opens, closes = t.windows[j, there.window, 0], t.windows[j, there.window, 1]
            service = t.stops[j].service
            released = max(released, t.stops[j].release)
            for q in range(num_loads):
                s.loads[r, 0, q] += t.loads[j, 0, q]
                s.loads[r, 1, q] += t.loads[j, 1, q]
        spent = here.head_s + here.leg_s
        wait = max(opens - spent - here.head_late, 0)
        fits = fits and here.head_early + spent <= closes
        there.head_s = spent + wait + service
        there.head_early = max(opens - spent, here.head_early) - wait
        there.head_late = min(closes - spent, here.head_late)
        i = j
    whole = s.visits[last].head_s
    tour.size, tour.metres, tour.drive, tour.released = size, metres, drive, released
    tour.cost = kind.fixed + kind.per_m * metres + kind.per_s * whole
    for q in range(num_loads):
        fits = fits and max(s.loads[r, 0, q], s.loads[r, 1, q]) <= t.capacity[k, q]
    fits = fits and metres <= kind.max_m and drive <= kind.max_drive
    fits = fits and whole <= kind.max_s and released <= s.visits[last].head_late
    if t.timed:
        _tails(t, s, first, last, kind)
    return fits and (not t.mixed or _peaks(t, s, r, first, last))


@njit(cache=True)
def _tails(t, s, first, last, kind):
    num, there = len(t.stops), s.visits[last]
    there.tail_s, there.tail_early, there.tail_late = 0, kind.opens, kind.closes
    while last != first:
        there = s.visits[last]
        last = there.before
        here = s.visits[last]
        opens, closes, spent = kind.opens, kind.closes, 0
        if last < num:
            opens, closes = t.windows[last, here.window, 0], t.windows[last, here.window, 1]
            spent = t.stops[last].service
        spent += here.leg_s
        wait = max(there.tail_early - spent - closes, 0)
        here.tail_s = spent + wait + there.tail_s
        here.tail_early = max(there.tail_early - spent, opens) - wait
        here.tail_late = min(there.tail_late - spent, closes)


@njit(cache=True)
def _peaks(t, s, r, first, last):
    """What is on board along a tour; whether it is never too much."""
    num, fits = len(t.stops), True
    for q in range(t.capacity.shape[1]):
        aboard = peak = s.loads[r, 0, q]
        i = first
        while i != last:
            if i < num:
                aboard += t.loads[i, 1, q] - t.loads[i, 0, q]
                peak = max(peak, aboard)
            s.peaks[i, 0, q], s.peaks[i, 1, q] = peak, aboard
            i = s.visits[i].after
        fits = fits and peak <= t.capacity[s.tours[r].kind, q]
        i = s.visits[last].before
        while i != first:
            j = s.visits[i].before
            s.peaks[j, 1, q] = max(s.peaks[j, 1, q], s.peaks[i, 1, q])
            i = j
    return fits


@njit(cache=True)
def _best_place(t, s, u, skip):
    """(tour, index before, window, kind, skip): where a stop costs least, and less than leaving it
    out; tour -1: nowhere. skip: places to look at before one is overlooked."""
    num, num_loads = len(t.stops), t.capacity.shape[1]
    stop = t.stops[u]
    cheapest, where, index, window, kind_number = stop.penalty, -1, -1, 0, -1
    latest = t.windows[u, stop.num_windows - 1, 1]
    s.count[0].stamp += 1
    unseen = s.count[0].top
    for v in t.near[u, : t.near_tours]:
        r = s.visits[v].tour
        if unseen == 0:
            break
        if r < 0 or s.tours[r].stamp == s.count[0].stamp:
            continue
        unseen -= 1
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
        to_s, from_s = t.duration_to[p, stop.node], t.duration[p, stop.node]
        room_m, room_drive = kind.max_m - tour.metres, kind.max_drive - tour.drive
        j = num + r
        while j != last:
            i, here = j, s.visits[j]
            if t.timed and here.head_s + here.head_early > latest:
                break
            j = here.after
            skip -= 1
            if skip < 0:
                skip = _until_blink(t, s)
                continue
            there = s.visits[j]
            longer = to_m[here.node] + from_m[there.node] - here.leg_m
            cost = kind.per_m * longer
            if cost >= cheapest or longer > room_m:
                continue
            go, on = to_s[here.node], from_s[there.node]
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
            skip = _until_blink(t, s)
        elif s.left[k] > 0 and t.alone[k, u, 0] < cheapest:
            cheapest, where, window, kind_number = t.alone[k, u, 0], NEW_TOUR, t.alone[k, u, 1], k
    return where, index, window, kind_number, skip


@njit(cache=True)
def _until_blink(t, s):
    return int(log(1.0 - _chance(s)) / log(1.0 - t.blink))


@njit(cache=True)
def _keep(s, r, num):
    """A tour as it was before this step, once."""
    if s.tours[r].touched:
        return
    s.tours[r].touched = 1
    saved = s.saved[s.count[0].touched]
    saved.tour, saved.kind, saved.size = r, s.tours[r].kind, s.tours[r].size
    s.count[0].touched += 1
    i = s.visits[num + r].after
    for at in range(s.count[0].saved, s.count[0].saved + saved.size):
        s.saved_stops[at, 0], s.saved_stops[at, 1] = i, s.visits[i].window
        i = s.visits[i].after
    s.count[0].saved += saved.size


@njit(cache=True)
def _undo(t, s):
    """The touched tours as they were before this step."""
    num, num_tours = len(t.stops), len(s.tours)
    for at in range(s.count[0].touched):
        r = s.saved[at].tour
        if s.tours[r].size > 0:
            s.left[s.tours[r].kind] += 1
            i = s.visits[num + r].after
            while i < num:
                s.visits[i].tour = -1
                i = s.visits[i].after
        s.tours[r].size = 0
    stop = 0
    for at in range(s.count[0].touched):
        saved = s.saved[at]
        if saved.size > 0:
            s.tours[saved.tour].kind = saved.kind
            s.left[saved.kind] -= 1
            i = num + saved.tour
            for _ in range(saved.size):
                j = s.saved_stops[stop, 0]
                s.visits[j].window = s.saved_stops[stop, 1]
                _link(s, i, j)
                i, stop = j, stop + 1
            _link(s, i, num + num_tours + saved.tour)
            refresh(t, s, saved.tour)


@njit(cache=True)
def _link(s, i, j):
    s.visits[i].after, s.visits[j].before = j, i


@njit(cache=True)
def _take_out(t, s, u):
    _link(s, s.visits[u].before, s.visits[u].after)
    s.visits[u].tour = -1
    s.count[0].missed += t.stops[u].penalty
    s.out[s.count[0].out] = u
    s.count[0].out += 1


@njit(cache=True)
def _take_out_string(t, s, u, most):
    """A string of stops with u among them out of its tour; sometimes one in its midst stays."""
    size, place = s.tours[s.visits[u].tour].size, s.visits[u].place
    length = 1 + _below(s, int(min(most, size)))
    stays = 1 < length < size and _chance(s) < t.split
    span = length + stays
    low, high = max(1, place - span + 1), min(place, size - span + 1)
    begin = low + _below(s, high - low + 1)
    stay = begin + 1 + _below(s, span - 2) if stays else 0
    i = u
    while s.visits[i].place > begin:
        i = s.visits[i].before
    for at in range(begin, begin + span):
        j = s.visits[i].after
        if at != stay:
            _take_out(t, s, i)
        i = j


@njit(cache=True)
def _ruin(t, s):
    """Strings out of tours around one stop; whether what is left of these keeps every rule."""
    num, served, num_tours = len(t.stops), 0, 0
    for r in range(s.count[0].top):
        served += s.tours[r].size
        num_tours += s.tours[r].size > 0
    seed = _below(s, num)
    for v in t.near[seed]:
        if s.count[0].out == _ABSENT:
            break
        if s.visits[v].tour < 0:
            s.out[s.count[0].out] = v
            s.count[0].out += 1
    if not served:
        return True
    most = min(float(t.longest), served / num_tours)
    strings = 1 + int(_chance(s) * max(4 * t.removed / (1 + most) - 1, 1.0))
    for v in t.near[seed]:
        r = s.visits[v].tour
        if r >= 0 and not s.tours[r].touched:
            _keep(s, r, num)
            _take_out_string(t, s, v, most)
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


@njit(cache=True)
def _change_kind(t, s, r, most):
    """The tour by another kind of vehicle, the first one left that costs less than most."""
    old, begin = s.tours[r].kind, _below(s, len(t.kinds))
    for step in range(begin, begin + len(t.kinds)):
        kind = step % len(t.kinds)
        if kind != old and s.left[kind]:
            s.tours[r].kind = kind
            if refresh(t, s, r) and s.tours[r].cost < most:
                s.left[old] += 1
                s.left[kind] -= 1
                return
    s.tours[r].kind = old
    refresh(t, s, r)


@njit(cache=True)
def _sort_out(t, s):
    """The order in which the stops that are out are put back."""
    rule, chance = 0, _chance(s)
    while t.odds[rule] <= chance:
        rule += 1
    for at in range(s.count[0].out):
        u = s.out[at]
        rank = _chance(s) if rule == 0 else t.keys[rule, u]
        while at > 0 and s.ranks[at - 1] > rank:
            s.ranks[at], s.out[at] = s.ranks[at - 1], s.out[at - 1]
            at -= 1
        s.ranks[at], s.out[at] = rank, u


@njit(cache=True)
def _recreate(t, s):
    """The stops that are out back where they cost least, one after the other."""
    num, skip = len(t.stops), _until_blink(t, s)
    _sort_out(t, s)
    for u in s.out[: s.count[0].out]:
        r, i, window, kind, skip = _best_place(t, s, u, skip)
        if r < 0:
            continue
        if r == NEW_TOUR:
            r = 0
            while s.tours[r].size > 0:
                r += 1
            _keep(s, r, num)
            s.count[0].top = max(s.count[0].top, r + 1)
            s.tours[r].kind, i = kind, num + r
            s.left[kind] -= 1
            _link(s, i, i + len(s.tours))
        _keep(s, r, num)
        _link(s, u, s.visits[i].after)
        _link(s, i, u)
        s.visits[u].window = window
        s.count[0].missed -= t.stops[u].penalty
        refresh(t, s, r)


@njit(cache=True)
def _cost(s):
    cost = s.count[0].missed
    for r in range(s.count[0].top):
        if s.tours[r].size > 0:
            cost += s.tours[r].cost
    return cost


@njit(cache=True)
def _remember(s, cost):
    s.count[0].best = cost
    for i in range(len(s.visits)):
        s.best_after[i] = s.visits[i].after
    for r in range(len(s.tours)):
        s.best_tours[r, 0], s.best_tours[r, 1] = s.tours[r].kind, s.tours[r].size


@njit(cache=True)
def search(t, s, steps, hot, cold):
    """So many steps from hot to cold, each undone where it costs more than the last by the heat."""
    heat, cooling, current = hot, (cold / hot) ** (1.0 / steps), _cost(s)
    for _ in range(steps):
        heat *= cooling
        missed, fits = s.count[0].missed, _ruin(t, s)
        if fits:
            _change_some_kind(t, s, t.swap, NEVER)
            _recreate(t, s)
            _change_some_kind(t, s, t.rekind, 0)
            cost = _cost(s)
            fits = cost < current - heat * log(1.0 - _chance(s))
        if fits:
            current = cost
            if cost < s.count[0].best:
                _remember(s, cost)
        else:
            _undo(t, s)
            s.count[0].missed = missed
        for at in range(s.count[0].touched):
            s.tours[s.saved[at].tour].touched = 0
        s.count[0].out = s.count[0].saved = s.count[0].touched = 0
        while s.count[0].top > 0 and s.tours[s.count[0].top - 1].size == 0:
            s.count[0].top -= 1


@njit(cache=True)
def _change_some_kind(t, s, odds, most):
    """Sometimes one of the touched tours by another kind of vehicle that costs less, or any."""
    if len(t.kinds) == 1 or s.count[0].touched == 0 or _chance(s) >= odds:
        return
    r = s.saved[_below(s, s.count[0].touched)].tour
    if s.tours[r].size > 0:
        _change_kind(t, s, r, max(most, s.tours[r].cost))
