"""A small made company: the first site of each kind, as the tables the generators yield."""

from dataclasses import dataclass

import polars as pl
import pytest

from logistics.config import WorldConfig
from logistics.tables import CONTRACTS
from logistics.world import assets, catalogue, demand, fleet, warehouse, weather
from tests.settings import config

SEED = 7


@dataclass(frozen=True)
class Made:
    """table → its rows without the site column, and the site they belong to (None: company)."""

    rows: dict[str, pl.DataFrame]
    site: dict[str, str | None]

    def located(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows as the lake gives them, with the hive partition's value."""
        column = CONTRACTS[table].site
        return rows if column is None else rows.with_columns(pl.lit(self.site[table]).alias(column))

    @property
    def known(self) -> dict[str, pl.Series]:
        """The keys that others refer to."""
        return {
            name: rows[CONTRACTS[name].key[0]]
            for name, rows in self.rows.items()
            if self.site[name] is None
        }


def make(world: WorldConfig, seed: int) -> Made:
    company = catalogue.catalogue(world, seed)
    site = assets.sites(world)[0]
    history = assets.histories(world, seed, site)
    depot, dc = fleet.depot_id(0), catalogue.dc_id(0)
    of_company = {
        "items": company.items,
        "promotions": company.promotions,
        "prices": company.prices,
        "depots": fleet.depots(world, seed),
        "vehicles": fleet.vehicles(world, seed, 0),
        "drivers": fleet.drivers(world, seed, 0),
        "traffic": fleet.traffic(seed, 0),
        "assets": assets.assets(world, seed, site),
        **assets.workshops(world),
    }
    of_dc = {
        "sales": next(demand.sales(world, seed, 0, company))[0],
        "signals": weather.signals(world, seed, 0),
        **warehouse.warehouse(world, seed, 0, company),
    }
    of_depot = {
        "orders": fleet.orders(world, seed, 0),
        "telemetry": history["telemetry"],
        "events": history["events"],
    }
    places = dict.fromkeys(of_company, None) | dict.fromkeys(of_dc, dc)
    return Made(of_company | of_dc | of_depot, places | dict.fromkeys(of_depot, depot))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldConfig:
    folder = tmp_path_factory.mktemp("world")
    return config(folder, "world.skus_per_dc=150", "world.num_assets=120").world


@pytest.fixture(scope="session")
def made(world: WorldConfig) -> Made:
    return make(world, SEED)
