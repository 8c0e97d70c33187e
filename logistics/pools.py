"""Which depots are planned as one: those of a pool, which share their vehicles. Knows the depots'
table; no storage and no solver."""

import polars as pl


def pools(depots: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    """Depot → the depots of its pool, itself among them, sorted; alone where it names no pool."""
    rows = depots.select("depot_id", "pool").sort("depot_id").rows()
    members: dict[str, list[str]] = {}
    for depot_id, pool in rows:
        if pool is not None:
            members.setdefault(pool, []).append(depot_id)
    return {
        depot_id: (depot_id,) if pool is None else tuple(members[pool]) for depot_id, pool in rows
    }
