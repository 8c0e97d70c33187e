"""A warehouse before and after its moves, as a picture. The only file that knows Matplotlib."""

import io

import numpy as np
import polars as pl

LAYOUTS = ("before", "after", "ideal")
_MOST_TICKS = 10  # of aisles, which have numbers of their own


def draw(heat: pl.DataFrame, title: str) -> bytes:
    """PNG of the rows of slots_heat: one panel per layout, aisles across, bays up, one scale."""
    # Importing Matplotlib takes a second, which nights without pictures need not spend.
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 4), layout="constrained")
    figure.suptitle(title)
    grids = [_grid(heat, f"picks_per_day_{name}") for name in LAYOUTS]
    aisles = heat["aisle"].unique().sort().to_list()
    every = max(len(aisles) // _MOST_TICKS, 1)
    most = max(float(np.nanmax(grid)) for grid in grids) or 1.0
    for axes, name, grid in zip(figure.subplots(1, len(LAYOUTS)), LAYOUTS, grids, strict=True):
        image = axes.imshow(grid, origin="lower", aspect="auto", cmap="inferno", vmax=most, vmin=0)
        axes.set(title=name, xlabel="aisle", ylabel="bays from the front")
        axes.set_xticks(range(0, len(aisles), every), aisles[::every])
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, ax=figure.axes, label="picks a day")
    png = io.BytesIO()
    # Without a name of the software in it, the same heat is the same file.
    figure.savefig(png, format="png", dpi=100, metadata={"Software": None})
    return png.getvalue()


def _grid(heat: pl.DataFrame, column: str) -> np.ndarray:
    """Bays (from the front) by aisles; nan where there is none."""
    wide = heat.pivot(on="aisle", index="y_m", values=column, sort_columns=True).sort("y_m")
    return wide.drop("y_m").cast(pl.Float64).fill_null(float("nan")).to_numpy()
