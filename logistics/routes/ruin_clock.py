"""The exact day of a tour of `ruin` under traffic, with its breaks, compiled.

What `retime` finds for a route at leisure, a hundred thousand times a second: it leaves as late as
it can without coming home later than if it had left at once, and rests as early as it may.
"""

from math import ceil, floor

from logistics.routes.compiled import compiled
from logistics.routes.ruin_arrays import NEVER, Records, State, Tables

_ROUNDING_S = 1e-6  # as in travel
_MOST_RESTS = 3


@compiled
def drive(t: Tables, s: State, r: int) -> bool:
    """The tour's times, legs with the rests before the next stop; whether it keeps to windows,
    shift and breaks."""
    num = len(t.stops)
    first, last, kind = num + r, num + len(s.tours) + r, t.kinds[s.tours[r].kind]
    i = first
    while i != last:
        i = s.visits[i].after
        s.visits[i].rest = 0
    rests = 0
    while True:
        if not _forth(t, s, first, last, kind, kind.opens):
            return False
        leaves = _back(t, s, first, last, kind, s.visits[last].comes)
        i = first
        while i != last:
            i = s.visits[i].after
            s.visits[i].soonest = s.visits[i].comes
        if leaves > kind.opens and not _forth(t, s, first, last, kind, leaves):
            return False
        begin, due, fresh = _overworked(t, s, first, last, kind)
        if due < 0:
            break
        if rests == _MOST_RESTS or not _rest(t, s, first, last, kind, begin, due, fresh):
            return False
        rests += 1
    i = first
    while i != last:
        here, there = s.visits[i], s.visits[s.visits[i].after]
        here.leg_s = there.comes + there.rest - here.leaves
        i = here.after
    return True


@compiled
def _forth(t: Tables, s: State, first: int, last: int, kind: Records, clock: int) -> bool:
    """All times if the start is left then; whether nothing is late."""
    num, p, i, end = len(t.stops), kind.profile, first, t.traffic.pace.shape[1] - 1
    slot = min(clock // t.traffic.slot_s, end)
    s.visits[first].leaves = clock
    while i != last:
        here = s.visits[i]
        j, zone = here.after, t.traffic.zone[here.node]
        there = s.visits[j]
        while slot < end and (slot + 1) * t.traffic.slot_s <= clock:
            slot += 1
        here.slot = slot
        worked = (
            t.traffic.worked[zone, slot]
            + (clock - slot * t.traffic.slot_s) * t.traffic.pace[zone, slot]
        )
        worked += t.traffic.work[p, here.node, there.node]
        while slot < end and t.traffic.worked[zone, slot + 1] <= worked:
            slot += 1
        into = (worked - t.traffic.worked[zone, slot]) * t.traffic.slowness[zone, slot]
        clock = ceil(slot * t.traffic.slot_s + into - _ROUNDING_S)
        there.comes = clock
        if j < num:
            clock = max(clock + there.rest, t.windows[j, there.window, 0])
            if clock > t.windows[j, there.window, 1]:
                return False
            clock += t.stops[j].service
            there.leaves = clock
        i = j
    in_time: bool = clock <= kind.closes
    return in_time


@compiled
def _back(t: Tables, s: State, first: int, last: int, kind: Records, clock: int) -> int:
    """The latest departure from the start that is home by then; on the way when each service has
    to have begun."""
    p, j, slot = kind.profile, last, t.traffic.pace.shape[1] - 1
    while True:
        there = s.visits[j]
        i = there.before
        here = s.visits[i]
        zone = t.traffic.zone[here.node]
        while slot > 0 and slot * t.traffic.slot_s > clock:
            slot -= 1
        worked = (
            t.traffic.worked[zone, slot]
            + (clock - slot * t.traffic.slot_s) * t.traffic.pace[zone, slot]
        )
        worked -= t.traffic.work[p, here.node, there.node]
        while slot > 0 and t.traffic.worked[zone, slot] > worked:
            slot -= 1
        into = (worked - t.traffic.worked[zone, slot]) * t.traffic.slowness[zone, slot]
        clock = floor(slot * t.traffic.slot_s + into + 0.1 * _ROUNDING_S)
        if i == first:
            return clock
        here.due = min(clock - t.stops[i].service, t.windows[i, here.window, 1])
        clock = here.due - here.rest
        j = i


@compiled
def _overworked(t: Tables, s: State, first: int, last: int, kind: Records) -> tuple[int, int, int]:
    """The index of the last break, that on arrival at which another was due (-1: none was), and
    since when work has gone on."""
    begin = i = first
    fresh: int = s.visits[first].leaves
    while i != last:
        i = s.visits[i].after
        here = s.visits[i]
        begins: int = NEVER if i == last else here.leaves - t.stops[i].service
        if i == last or begins - here.comes >= kind.rest_s:
            if here.comes - fresh > kind.rest_after:
                return begin, i, fresh
            begin, fresh = i, begins
    return begin, -1, fresh


@compiled
def _rest(
    t: Tables,
    s: State,
    first: int,
    last: int,
    kind: Records,
    begin: int,
    due: int,
    fresh: int,
) -> bool:
    """A rest at the first stop from where on the break lasts, as there the most of it is waited
    anyway; whether there is one where it still may begin."""
    _back(t, s, first, last, kind, kind.closes)
    best, home, i = -1, s.visits[due].comes, s.visits[begin].after
    while i != due:
        here = s.visits[i]
        if here.comes - fresh > kind.rest_after:
            break
        begins = max(here.soonest + kind.rest_s, t.windows[i, here.window, 0])
        if begins <= here.due:
            best = i
            if home + kind.rest_s - begins <= kind.rest_after:
                break
        i = here.after
    if best >= 0:
        s.visits[best].rest = kind.rest_s
    return best >= 0
