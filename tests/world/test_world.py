"""The made company: repeatable, and clean but for its known dirt."""

from pathlib import Path

import numpy as np
import pytest

from logistics.config import WorldConfig
from logistics.contracts import check
from logistics.tables import CONTRACTS
from logistics.world import batch, catalogue, demand, dirt
from tests.settings import config
from tests.world.conftest import SEED, Made, make

# A made company has no matrix of its own travel times, and nobody there to override forecasts.
BY_HAND = ("travel_times", "trips", "forecast_overrides", "bookings")


def test_the_same_seed_makes_the_same_company(world: WorldConfig, made: Made) -> None:
    again = make(world, SEED)
    assert again.rows.keys() == made.rows.keys()
    assert all(again.rows[name].equals(rows) for name, rows in made.rows.items())


def test_another_seed_makes_another_company(world: WorldConfig, made: Made) -> None:
    other = make(world, SEED + 1)
    # What the company's size alone decides is the same for every seed.
    same = {name for name, rows in made.rows.items() if other.rows[name].equals(rows)}
    assert same == {"workshops", "technicians", "parts"}


def test_any_site_is_made_alone(world: WorldConfig) -> None:
    company = catalogue.catalogue(world, SEED)
    alone = next(demand.sales(world, SEED, 1, company))[0]
    after_another = [next(demand.sales(world, SEED, dc, company))[0] for dc in (0, 1)]
    assert alone.equals(after_another[1])
    assert not alone.equals(after_another[0])


@pytest.mark.parametrize("table", [name for name in CONTRACTS if name not in BY_HAND])
def test_a_clean_table_keeps_its_contract(made: Made, table: str) -> None:
    rows = made.located(table, made.rows[table])
    assert not rows.is_empty()
    checked = check(rows, CONTRACTS[table], made.known, made.site[table])
    assert checked.rejects.is_empty(), checked.rejects.head(3).to_dicts()


@pytest.mark.parametrize("table", dirt.FAULTS)
def test_the_door_finds_every_dirty_row_and_no_other(made: Made, table: str) -> None:
    rows, site = made.rows[table], made.site[table]
    soiled, dirty = dirt.soil(table, site, rows, 0.1, np.random.default_rng(0))
    checked = check(made.located(table, soiled), CONTRACTS[table], made.known, site)
    assert dirty.height > 0
    named = ["table", "site_id", "key"]
    assert checked.rejects.select(named).sort(named).equals(dirty.select(named).sort(named))
    clean = check(made.located(table, rows), CONTRACTS[table], made.known, site).good
    assert checked.good.equals(clean)


@pytest.mark.parametrize("table", dirt.FAULTS)
def test_without_a_share_nothing_is_dirty(made: Made, table: str) -> None:
    rows = made.rows[table]
    soiled, dirty = dirt.soil(table, made.site[table], rows, 0.0, np.random.default_rng(0), 1)
    assert soiled.equals(rows)
    assert dirty.is_empty()


def test_a_lake_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    world, lake = config(tmp_path).world, tmp_path / "lake"
    assert not batch.exists(world, str(lake), SEED)
    lake.mkdir()
    assert not batch.exists(world, str(lake), SEED)
    (lake / batch.HALF).write_text("{}")
    assert not batch.exists(world, str(lake), SEED)
    (lake / batch.WHOLE).write_text('{"seed": 1, "world": {"name": "other"}}')
    with pytest.raises(batch.WorldError, match="another made company"):
        batch.exists(world, str(lake), SEED)


def test_what_is_not_a_made_company_is_never_replaced(tmp_path: Path) -> None:
    world, lake = config(tmp_path).world, tmp_path / "lake"
    lake.mkdir()
    (lake / "thesis.txt").write_text("years of work")
    with pytest.raises(batch.WorldError, match="not a made company"):
        batch.exists(world, str(lake), SEED)
    with pytest.raises(batch.WorldError, match="not a made company"):
        batch.generate(world, str(lake), SEED, lambda what, done, total: None)
    assert (lake / "thesis.txt").read_text() == "years of work"
