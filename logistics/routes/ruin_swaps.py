"""Steps of `ruin` where room is scarce, compiled: vehicles change tours, and stops make way."""

from logistics.routes.compiled import below, chance, compiled
from logistics.routes.ruin_arrays import NEVER, State, Tables
from logistics.routes.ruin_tour import keep, link, refresh

BLINK = 0.01  # places that are skipped, as in the paper
NEAR = 30  # a stop is put in tours of these only; 700 stops: a quarter more steps than with 60
_SWAPPED = 0.3  # steps in which two tours change vehicles
_BULK = 1  # which of the keys goes by bulk


@compiled
def change_kind(t: Tables, s: State, odds: float, most: int) -> None:
    """Sometimes one of the touched tours by another kind of vehicle, the first one left by which it
    costs less than most, or than now."""
    if len(t.kinds) == 1 or s.count[0].touched == 0 or chance(s.random) >= odds:
        return
    r, begin = s.saved[below(s.random, s.count[0].touched)].tour, below(s.random, len(t.kinds))
    tour = s.tours[r]
    old, most = tour.kind, max(most, tour.cost)
    if tour.size == 0:
        return
    s.left[old] += 1
    for number in range(begin, begin + len(t.kinds)):
        tour.kind = number % len(t.kinds)
        if tour.kind != old and s.left[tour.kind] and refresh(t, s, r) and tour.cost < most:
            break
    else:
        tour.kind = old
        refresh(t, s, r)
    s.left[tour.kind] -= 1


@compiled
def swap_kinds(t: Tables, s: State) -> None:
    """Sometimes one of the touched tours by another tour's kind of vehicle, and that one by its."""
    if len(t.kinds) == 1 or s.count[0].touched == 0 or chance(s.random) >= _SWAPPED:
        return
    r, q = s.saved[below(s.random, s.count[0].touched)].tour, below(s.random, s.count[0].top)
    one, other = s.tours[r], s.tours[q]
    if one.size == 0 or other.size == 0 or one.kind == other.kind:
        return
    keep(s, q, len(t.stops))
    one.kind, other.kind = other.kind, one.kind
    if not (refresh(t, s, r) and refresh(t, s, q)):
        one.kind, other.kind = other.kind, one.kind
        refresh(t, s, r)
        refresh(t, s, q)


@compiled
def eject(t: Tables, s: State, u: int) -> bool:
    """A stop that fits nowhere in place of a smaller one near it, which is then out instead;
    whether there is one."""
    v, fits = _smaller(t, s, u), False
    if v < 0:
        return False
    r = s.visits[v].tour
    keep(s, r, len(t.stops))
    link(s, s.visits[v].before, u)
    link(s, u, s.visits[v].after)
    for window in range(t.stops[u].num_windows):
        s.visits[u].window = window
        fits = refresh(t, s, r)
        if fits:
            break
    if not fits:
        link(s, s.visits[u].before, v)
        link(s, v, s.visits[u].after)
        s.visits[u].tour = -1
        refresh(t, s, r)
        return False
    s.visits[v].tour = -1
    s.count[0].missed += t.stops[v].penalty - t.stops[u].penalty
    s.out[s.count[0].out] = v
    s.count[0].out += 1
    return True


@compiled
def _smaller(t: Tables, s: State, u: int) -> int:
    """The stop whose place makes room for u by the shortest way, or -1."""
    best, least, node = -1, NEVER, t.stops[u].node
    for v in t.near[u, 1:NEAR]:
        r = s.visits[v].tour
        if r < 0 or t.keys[_BULK, v] <= t.keys[_BULK, u] or not t.allowed[s.tours[r].kind, u]:
            continue
        k, fits = s.tours[r].kind, True
        for q in range(t.capacity.shape[1]):
            for way in range(2):
                more = t.loads[u, way, q] - t.loads[v, way, q]
                fits = fits and s.loads[r, way, q] + more <= t.capacity[k, q]
        if not fits:
            continue
        p, here = t.kinds[k].profile, s.visits[v]
        before, after = s.visits[here.before].node, s.visits[here.after].node
        metres = t.distance[p, before, node] + t.distance[p, node, after]
        metres -= t.distance[p, before, here.node] + t.distance[p, here.node, after]
        if metres < least and chance(s.random) >= BLINK:
            best, least = v, metres
    return best
