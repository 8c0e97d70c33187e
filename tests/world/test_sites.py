"""Depots are near their capacity, and warehouses are filled by last year's demand."""

import numpy as np
import polars as pl

from logistics.config import WorldConfig
from logistics.world import catalogue, demand, fleet, warehouse
from tests.world.conftest import SEED, Made


def filled(world: WorldConfig, depot: int) -> float:
    """Delivered weight over the capacity of the depot's vehicles."""
    delivered = fleet.orders(world, SEED, depot).filter(kind="delivery")["weight_kg"]
    capacity = fleet.vehicles(world, SEED, depot)["capacity_kg"]
    return float(delivered.to_numpy().sum() / capacity.to_numpy().sum())


def test_every_fifth_depot_has_more_than_it_can_carry_and_the_others_do_not(
    world: WorldConfig,
) -> None:
    shares = [filled(world, depot) for depot in range(world.num_depots)]
    assert [depot for depot, share in enumerate(shares) if share > 1] == [2]
    assert max(shares) < 1.2
    assert min(shares) > 0.4


def test_any_vehicle_takes_any_order_by_itself(world: WorldConfig) -> None:
    vehicles, orders = fleet.vehicles(world, SEED, 2), fleet.orders(world, SEED, 2)
    for load, capacity in (("weight_kg", "capacity_kg"), ("volume_m3", "capacity_m3")):
        assert orders[load].max() <= vehicles[capacity].min()  # type: ignore[operator]


def test_orders_come_in_towns_with_windows_and_pickups(world: WorldConfig) -> None:
    orders = pl.concat([fleet.orders(world, SEED, depot) for depot in range(world.num_depots)])
    assert abs(orders.height / (world.num_depots * world.orders_per_depot) - 1) < 0.15
    assert 0.07 < (orders["kind"] == "pickup").mean() < 0.18  # type: ignore[operator]
    assert set(orders["windows"].list.len()) == {0, 1, 2}
    assert (orders["priority"] <= 1).mean() > 0.75  # type: ignore[operator]
    one = fleet.orders(world, SEED, 0)
    lat, lon = one["lat"].to_numpy(), one["lon"].to_numpy() * np.cos(np.radians(50))
    apart = np.hypot(lat[:, None] - lat, lon[:, None] - lon) + 9 * np.eye(len(lat))
    # Neighbours would be twice as far apart, were addresses spread evenly over the region.
    evenly = 0.5 * np.sqrt(np.ptp(lat) * np.ptp(lon) / len(lat))
    assert np.median(apart.min(axis=1)) < 0.6 * evenly


def test_a_warehouse_keeps_its_size_and_its_zones(world: WorldConfig, made: Made) -> None:
    slots = made.rows["slots"]
    assert 0.75 <= slots.height / world.slots_per_warehouse <= 1.25
    placed = slots.drop_nulls("sku_id").join(made.rows["items"], on="sku_id")
    assert (placed["storage_class"] == placed["storage_class_right"]).all()
    assert placed["sku_id"].n_unique() == placed.height
    assert 0.85 < placed.height / world.skus_per_dc < 1
    assert slots["frozen"].sum() > 0
    assert (placed["unit_m3"] <= placed["capacity_m3"]).all()


def test_the_placement_is_meaningful_but_stale(world: WorldConfig, made: Made) -> None:
    company = catalogue.catalogue(world, SEED)
    mean = demand.expected(world, SEED, 0, company, demand.chunks(world)[0])
    today = mean[:, world.history_days : world.history_days + 30].mean(axis=1)
    volume = pl.DataFrame({"sku_id": company.items["sku_id"], "today": today})
    slots = made.rows["slots"].filter(storage_class="ambient").drop_nulls("sku_id")
    slots = slots.join(volume, on="sku_id").with_columns(far=pl.col("x_m") + pl.col("y_m"))
    far, often = slots["far"].to_numpy(), slots["today"].to_numpy()
    walked, shuffled = often @ far, often.sum() * far.mean()
    best = np.sort(often)[::-1] @ np.sort(far)
    assert best < 0.9 * walked
    assert walked < 0.95 * shuffled


def test_lines_follow_the_days_demand(world: WorldConfig, made: Made) -> None:
    company = catalogue.catalogue(world, SEED)
    mean = demand.expected(world, SEED, 0, company, demand.chunks(world)[0])
    lately = mean[:, world.history_days - world.order_lines_days : world.history_days].sum(axis=1)
    lines = made.rows["order_lines"].group_by("sku_id").agg(pl.len(), pl.col("qty").sum())
    expected = pl.DataFrame({"sku_id": company.items["sku_id"], "expected": lately})
    both = expected.join(lines, on="sku_id", how="left").fill_null(0)
    assert both.select(pl.corr("expected", "len", method="spearman")).item() > 0.75
    assert both.filter(pl.col("expected") == 0)["len"].sum() == 0


def test_baskets_are_correlated(world: WorldConfig, made: Made) -> None:
    lines = made.rows["order_lines"]
    group, _ = warehouse.groups(world, SEED)
    of = dict(zip(catalogue.sku_ids(world), group.tolist(), strict=True))
    lines = lines.with_columns(pl.col("sku_id").replace_strict(of).alias("group"))
    pairs = lines.join(lines, on="order_id").filter(pl.col("sku_id") < pl.col("sku_id_right"))
    together = (pairs["group"] == pairs["group_right"]).mean()
    sizes = lines["group"].value_counts()["count"].to_numpy()
    by_chance = float(((sizes / sizes.sum()) ** 2).sum())
    assert together > 2 * by_chance  # type: ignore[operator]
