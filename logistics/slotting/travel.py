"""Walking on S-shape tours: exactly, for given picks, and expected, for picks per aisle and day.

An S-shape tour starts at the depot, walks the front cross aisle to the first aisle with a pick,
traverses every aisle that has one, and returns along the front; when it enters the last aisle
from the front, it turns at the farthest pick there. The depot is the point of the front cross
aisle nearest the origin of the slots' coordinates. Levels cost no walking, and
neither do picks of SKUs that have no slot. Knows slots only.
"""

from dataclasses import dataclass

import numpy as np

from logistics.slotting.problem import NONE, Ints, Reals, Warehouse

MAX_TOUR_LINES = 30  # what a picker's cart takes; larger orders are several tours
_USUAL_TOUR_LINES = 10  # where no order lines tell
_HALF_LIFE_DAYS = 90.0  # of what a tour tells: what is bought together changes with the season


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Aisles (a,) from left to right; aisle and depth_m (s,) of every slot, from the front."""

    aisle: Ints
    depth_m: Reals
    aisle_x_m: Reals
    length_m: float
    depot_x_m: float

    @property
    def distance_m(self) -> Reals:
        """From the depot to every slot (s,)."""
        distance: Reals = np.abs(self.aisle_x_m[self.aisle] - self.depot_x_m) + self.depth_m
        return distance


@dataclass(frozen=True, slots=True, eq=False)
class Tours:
    """Picks (l,): the tour each belongs to, 0, 1, … in order, and its SKU.

    age_days (t,): from each tour to the last, falling; None: time plays no part.
    """

    tour: Ints
    sku: Ints
    age_days: Reals | None = None

    def __len__(self) -> int:
        """Tours, up to the last one with a pick."""
        return int(self.tour[-1]) + 1 if self.tour.size else 0

    def between(self, first: int, last: int) -> "Tours":
        """The tours first, …, last - 1."""
        mine = (self.tour >= first) & (self.tour < last)
        age_days = self.age_days
        if age_days is not None and first < last:
            age_days = age_days[first:last] - age_days[last - 1]
        return Tours(self.tour[mine] - first, self.sku[mine], age_days)

    @property
    def weights(self) -> Reals:
        """Of what each tour (t,) tells, the last one's 1."""
        if self.age_days is None:
            return np.ones(len(self))
        weights: Reals = 0.5 ** (self.age_days / _HALF_LIFE_DAYS)
        return weights

    def with_sku(self, sku: int) -> "Tours":
        """Those that have it, under their numbers."""
        has = np.zeros(len(self), dtype=bool)
        has[self.tour[self.sku == sku]] = True
        mine = has[self.tour]
        return Tours(self.tour[mine], self.sku[mine], self.age_days)

    def lately(self, days: float) -> "Tours":
        """Those of the last days."""
        if self.age_days is None:
            return self
        num_tours = self.age_days.size
        return self.between(num_tours - int(np.count_nonzero(self.age_days < days)), num_tours)


def lay_out(warehouse: Warehouse) -> Layout:
    """The cross aisles lie as far beyond the last bay as the first bay lies behind the front."""
    numbers, aisle = np.unique(warehouse.aisle, return_inverse=True)
    x_m = np.bincount(aisle, warehouse.x_m) / np.bincount(aisle)
    front_m = min(0.0, warehouse.y_m.min())
    back_m = warehouse.y_m.max() + (warehouse.y_m.min() - front_m)
    depot_x_m = float(np.clip(0.0, x_m.min(), x_m.max()))
    left_to_right = np.lexsort((numbers, x_m))
    rank = np.argsort(left_to_right)
    return Layout(
        aisle=rank[aisle].astype(np.int64),
        depth_m=warehouse.y_m - front_m,
        aisle_x_m=x_m[left_to_right],
        length_m=float(back_m - front_m),
        depot_x_m=depot_x_m,
    )


def walk(layout: Layout, tours: Tours, slot_of: Ints) -> Reals:
    """Metres of every tour (t,), SKUs in slots slot_of (n,); picks without a slot are left out."""
    num_tours = len(tours)
    slot = slot_of[tours.sku]
    tour, slot = tours.tour[slot != NONE], slot[slot != NONE]
    if not slot.size:
        return np.zeros(num_tours)
    # One number per visited (tour, aisle), ascending: its tours' aisles are neighbours.
    num_aisles = layout.aisle_x_m.size
    visits, visit = np.unique(tour * num_aisles + layout.aisle[slot], return_inverse=True)
    farthest_m = np.zeros(visits.size)
    np.maximum.at(farthest_m, visit, layout.depth_m[slot])
    of_tour, aisle = np.divmod(visits, num_aisles)
    starts = np.flatnonzero(np.diff(of_tour, prepend=-1))
    ends = np.append(starts[1:], visits.size) - 1
    num_visits = ends - starts + 1
    first_x_m, last_x_m = layout.aisle_x_m[aisle[starts]], layout.aisle_x_m[aisle[ends]]
    across_m = (
        np.abs(first_x_m - layout.depot_x_m)
        + (last_x_m - first_x_m)
        + np.abs(last_x_m - layout.depot_x_m)
    )
    turns = num_visits % 2 == 1
    along_m = num_visits * layout.length_m + np.where(
        turns, 2 * farthest_m[ends] - layout.length_m, 0.0
    )
    metres = np.zeros(num_tours)
    metres[of_tour[starts]] = across_m + along_m
    return metres


@dataclass(frozen=True, slots=True, eq=False)
class Walking:
    """Expected walking per day when each pick of a tour falls on an aisle by its share of picks.

    With tours of n picks, an aisle that gets the share f of them is traversed by 1 - (1 - f)^n of
    the tours, and a stretch of cross aisle is walked twice by those with a pick beyond it. Both are
    concave in f, so picks are worth concentrating: a slot costs least in the aisle that is visited
    anyway. One pick per tour is the farthest of the last aisle, half of them are where the
    tour turns, so a pick's depth counts once per tour.
    """

    layout: Layout
    sizes: Reals  # (k,) picks per tour
    tours_per_day: Reals  # (k,)
    picks_per_day: float
    newcomer_picks: float = 0.0  # a day that an empty slot will get from SKUs still to come

    def metres(self, picks: Reals, depth_picks_m: Reals | float) -> Reals:
        """Metres per day; picks (..., a) per aisle and day, depth_picks_m (...) Σ picks × depth."""
        share = self._share(picks)
        stretches_m, beyond = _stretches(self.layout)
        visits = self._tours_meeting(share).sum(axis=-1)
        across_m = 2 * self._tours_meeting(share @ beyond.T) @ stretches_m
        turning_m = self.tours_per_day.sum() * self.layout.length_m / 2
        along_m = visits * self.layout.length_m - turning_m
        metres: Reals = along_m + across_m + self._depth_weight * depth_picks_m
        return metres

    def aisle_costs(self, picks: Reals) -> Reals:
        """Metres per pick (a,): the slope of `metres` at these picks per aisle, without depth."""
        share = self._share(picks)
        stretches_m, beyond = _stretches(self.layout)
        across_m = 2 * (self._slope(beyond @ share) * stretches_m) @ beyond
        costs: Reals = self.layout.length_m * self._slope(share) + across_m
        return costs

    def slot_costs(self, picks: Reals) -> Reals:
        """Metres per pick (s,) in every slot, depth included."""
        costs: Reals = self.aisle_costs(picks)[self.layout.aisle]
        return costs + self.depth_costs

    @property
    def depth_costs(self) -> Reals:
        """Metres per pick (s,) of a slot's depth alone."""
        costs: Reals = self._depth_weight * self.layout.depth_m
        return costs

    def picks_by_aisle(self, picks_per_day: Reals, slot_of: Ints) -> tuple[Reals, float]:
        """The arguments of `metres`: of SKUs (n,) in slots slot_of (n,), and of newcomers."""
        slots, picks = slot_of[slot_of != NONE], picks_per_day[slot_of != NONE]
        by_slot = np.full(self.layout.aisle.size, self.newcomer_picks)
        by_slot[slots] = 0.0
        np.add.at(by_slot, slots, picks)
        aisles: Reals = np.zeros(self.layout.aisle_x_m.size)
        np.add.at(aisles, self.layout.aisle, by_slot)
        return aisles, float(by_slot @ self.layout.depth_m)

    @property
    def _depth_weight(self) -> float:
        return float(self.tours_per_day.sum()) / max(self.picks_per_day, 1e-9)

    def _share(self, picks: Reals) -> Reals:
        return np.clip(picks / max(self.picks_per_day, 1e-9), 0.0, 1.0)

    def _tours_meeting(self, share: Reals) -> Reals:
        """Tours per day with at least one pick among a share of the picks."""
        missing = (1 - share)[..., None] ** self.sizes
        meeting: Reals = (1 - missing) @ self.tours_per_day
        return meeting

    def _slope(self, share: Reals) -> Reals:
        """Its change per pick and day."""
        missing = (1 - share)[..., None] ** (self.sizes - 1)
        slope: Reals = missing @ (self.tours_per_day * self.sizes)
        return slope / max(self.picks_per_day, 1e-9)


def expect(
    layout: Layout, tours: Tours, picks_per_day: float, newcomer_picks: float = 0.0
) -> Walking:
    """Walking of so many picks a day, newcomers' included, in tours of the sizes that were seen."""
    lines = np.bincount(tours.tour) if tours.tour.size else np.array([_USUAL_TOUR_LINES])
    sizes, seen = np.unique(lines[lines > 0], return_counts=True)
    tours_per_day = seen * picks_per_day / float(sizes @ seen)
    return Walking(layout, sizes.astype(np.float64), tours_per_day, picks_per_day, newcomer_picks)


def _stretches(layout: Layout) -> tuple[Reals, Reals]:
    """Lengths (g,) of the front between neighbouring aisles and depot, and which aisles (g, a) lie
    beyond each, seen from the depot."""
    points = np.unique(np.append(layout.aisle_x_m, layout.depot_x_m))
    left, right = points[:-1, None], points[1:, None]
    x_m = layout.aisle_x_m[None, :]
    beyond = np.where(left >= layout.depot_x_m, x_m >= right, x_m <= left)
    return np.diff(points), beyond.astype(np.float64)
