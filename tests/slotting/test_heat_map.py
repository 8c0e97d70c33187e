"""The picture of a warehouse."""

import polars as pl

from logistics.slotting import heat_map


def test_aisles_have_their_own_numbers() -> None:
    picks = {f"picks_per_day_{name}": [1.0, 2.0] for name in heat_map.LAYOUTS}
    heat = pl.DataFrame({"aisle": [0, 1], "y_m": [0.75, 0.75], **picks})
    drawn = heat_map.draw(heat, "W1")
    assert drawn.startswith(b"\x89PNG")
    assert drawn != heat_map.draw(heat.with_columns(pl.col("aisle") + 20), "W1")
