"""A challenger must beat the champion; the champion can be taken back; back-tests are published."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from logistics import night, plan, registry
from logistics.config import Config
from logistics.outcome import Night
from logistics.run import main
from tests.settings import quiet


def trained(company: Config, models: Path, seed: int, steps: int) -> registry.Card:
    forecast = replace(company.forecast, train_steps=steps)
    config = replace(company, models=str(models), forecast=forecast, seed=seed)
    return night.train(config, "forecast", quiet)


def test_only_a_better_challenger_is_promoted_and_one_command_takes_it_back(
    company: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"

    def champion() -> str:
        card = registry.champion(str(models), "forecast")
        assert card is not None
        return card.version

    first = trained(company, models, seed=7, steps=1)
    assert champion() == first.version
    better = trained(company, models, seed=7, steps=40)
    assert better.scores["origins_wql"] < better.scores["champion_wql"]
    assert champion() == better.version
    worse = trained(company, models, seed=8, steps=1)
    assert worse.lost_to == champion() == better.version
    assert trained(company, models, seed=8, steps=1).lost_to == better.version
    say = ("task=rollback_model", f"lake={company.lake}", f"models={models}")
    assert main([*say, "workload=forecast"]) == 0
    assert champion() == first.version
    assert main([*say, "workload=forecast"]) == 2
    assert "no earlier champion" in capsys.readouterr().err
    assert main(say) == 2


def test_a_back_test_is_published_by_category_and_step(company: Config, tmp_path: Path) -> None:
    own = replace(company, plan=str(tmp_path / "plan"))
    rows = night.backtest(own, quiet)
    read = plan.read_plan(own.plan, "forecast_backtests", own.date)
    assert read is not None
    assert read.drop("run_date").equals(
        rows.select(read.columns[1:]).sort("dc_id", *read.columns[2:5])
    )
    assert rows["dc_id"].unique().sort().to_list() == ["DC01", "DC02"]
    assert rows["origin"].n_unique() == 3
    assert rows["step_to"].max() == 90
    named = pl.read_parquet(f"{company.lake}/items/*.parquet")["category"].unique().to_list()
    assert set(rows["category"]) <= {*named, ""}


def test_two_workers_train_together_what_one_trains_alone(
    company: Config, first: Night, tmp_path: Path
) -> None:
    forecast = replace(company.forecast, train_workers=2)
    config = replace(company, models=str(tmp_path / "models"), forecast=forecast)
    together, alone = night.train(config, "forecast", quiet), first.outcomes["forecast"].card
    assert alone is not None
    assert together.version != alone.version
    for name in ("wql", "wape"):
        assert together.scores[name] == pytest.approx(alone.scores[name], rel=0.1)
