"""What is known of one tour of `ruin`, compiled: its cost, and the way up to and from each stop."""

from logistics.routes.compiled import compiled
from logistics.routes.ruin_arrays import Records, State, Tables
from logistics.routes.ruin_clock import drive


@compiled
def refresh(t: Tables, s: State, r: int) -> bool:
    """All that is known of a tour from its links; whether it keeps every rule."""
    num, num_loads = len(t.stops), t.capacity.shape[1]
    first, last = num + r, num + len(s.tours) + r
    tour, kind = s.tours[r], t.kinds[s.tours[r].kind]
    k, p = tour.kind, kind.profile
    s.visits[first].node, s.visits[last].node = kind.start, kind.end
    s.visits[first].head_s = 0
    s.visits[first].head_early, s.visits[first].head_late = kind.opens, kind.closes
    s.loads[r] = 0
    metres, driven, released, size, i, fits = 0, 0, 0, 0, first, True
    if t.traffic.there and not drive(t, s, r):
        return False
    while i != last:
        here = s.visits[i]
        j = here.after
        there = s.visits[j]
        here.leg_m = t.distance[p, here.node, there.node]
        if not t.traffic.there:
            here.leg_s = t.duration[p, here.node, there.node]
        metres, driven = metres + here.leg_m, driven + here.leg_s - there.rest
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
        fits = fits and (t.traffic.there or here.head_early + spent <= closes)
        there.head_s = spent + wait + service
        there.head_early = max(opens - spent, here.head_early) - wait
        there.head_late = min(closes - spent, here.head_late)
        i = j
    whole = s.visits[last].head_s
    if t.traffic.there:
        whole = s.visits[last].comes - s.visits[first].leaves
    tour.size, tour.metres, tour.drive, tour.released = size, metres, driven, released
    tour.cost = kind.fixed + kind.per_m * metres + kind.per_s * whole
    for q in range(num_loads):
        fits = fits and max(s.loads[r, 0, q], s.loads[r, 1, q]) <= t.capacity[k, q]
    fits = fits and metres <= kind.max_m and driven <= kind.max_drive
    fits = fits and whole <= kind.max_s and released <= s.visits[last].head_late
    if t.timed:
        _tails(t, s, first, last, kind)
    return fits and (not t.mixed or _peaks(t, s, r, first, last))


@compiled
def _tails(t: Tables, s: State, first: int, last: int, kind: Records) -> None:
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


@compiled
def _peaks(t: Tables, s: State, r: int, first: int, last: int) -> bool:
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


@compiled
def keep(s: State, r: int, num: int) -> None:
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


@compiled
def undo(t: Tables, s: State) -> None:
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
            s.tours[saved.tour].kind, i = saved.kind, num + saved.tour
            s.left[saved.kind] -= 1
            for _ in range(saved.size):
                j = s.saved_stops[stop, 0]
                s.visits[j].window = s.saved_stops[stop, 1]
                link(s, i, j)
                i, stop = j, stop + 1
            link(s, i, num + num_tours + saved.tour)
            refresh(t, s, saved.tour)


@compiled
def link(s: State, i: int, j: int) -> None:
    s.visits[i].after, s.visits[j].before = j, i
