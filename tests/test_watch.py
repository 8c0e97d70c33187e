"""What is told of a night: metrics as Prometheus scrapes them, and JSON lines."""

import json
import re
import time
import urllib.request
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from logistics import watch
from logistics.config import ConfigError
from logistics.gauges import GAUGES, PREFIX, STEP_SECONDS
from logistics.watch import Watch
from tests.nights import FAILED, FORECAST, ROUTES, night, play, tell
from tests.settings import config

DEPLOY = Path(__file__).resolve().parents[1] / "conf" / "deploy"

# --- metrics -------------------------------------------------------------------------------------

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(run_date: str) -> dict[Sample, float]:
    """(name, our tags) → value of the samples that Ray's endpoint has of a night."""
    import ray

    node = ray.nodes()[0]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    text = urllib.request.urlopen(url, timeout=5).read().decode()
    ours = ("workload", "table", "step", "site", "le")
    return {
        (
            sample.name,
            frozenset((k, v) for k, v in sample.labels.items() if k in ours),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("run_date") == run_date
    }


def test_prometheus_scrapes_every_metric_of_a_night(ray_session: None, tmp_path: Path) -> None:
    base = config(tmp_path, "date=2031-01-07")
    every = {f"ray_{PREFIX}{name}" for name in GAUGES} | {f"ray_{PREFIX}{STEP_SECONDS}_bucket"}
    found: dict[Sample, float] = {}
    until = time.monotonic() + 30
    with Watch(base, "r-1") as told:
        tell(told, night(base, replace(ROUTES, failures={}), FORECAST))
        while time.monotonic() < until and not every <= {name for name, _ in found}:
            time.sleep(0.5)
            found = scrape("2031-01-07")
    assert every - {name for name, _ in found} == set()

    def value(name: str, **tags: str) -> float:
        return found[f"ray_{PREFIX}{name}", frozenset(tags.items())]

    assert value("units", workload="routes") == 3
    assert value("units_done", workload="routes") == 1
    assert value("units_reused", workload="routes") == 1
    assert value("units_waiting", workload="routes") == 0
    assert value("rows_in", workload="routes", table="orders") == 100
    assert value("rows_out", workload="routes", table="orders") == 97
    assert value("rows_rejected", workload="routes", table="orders") == 3
    assert value("rows_written", workload="routes", table="stops") == 95
    assert value("orders_unserved") == 2
    assert value("solver_gap", workload="routes", site="delft") == 0.25
    assert value("core_hours", workload="routes") == 2
    assert value("step_seconds_count", workload="routes", step="solve") == 1
    assert value("step_seconds_bucket", workload="routes", step="solve", le="3.0") == 0
    assert value("step_seconds_bucket", workload="routes", step="solve", le="10.0") == 1
    assert value("night_ok") == 1
    assert value("night_late") == 0
    assert value("last_success_timestamp_seconds") == pytest.approx(time.time(), abs=60)


def test_slotting_tells_its_gap_by_the_walk() -> None:
    assert watch.gap({"walk_after_m": 110.0, "walk_ideal_m": 100.0}) == pytest.approx(0.1)
    assert watch.gap({"walk_after_m": 0.0, "walk_ideal_m": 0.0}) is None
    assert watch.gap({"series": 12.0}) is None


# --- what Prometheus and Grafana are given -------------------------------------------------------


def metrics_in(text: str) -> set[str]:
    """The metrics of ours a text refers to, without the suffixes of a histogram."""
    named = set(re.findall(r"ray_logistics_(\w+)", text))
    return {re.sub(r"^(step_seconds)_(sum|count|bucket)$", r"\1", name) for name in named}


def test_alerts_ask_only_for_metrics_that_exist() -> None:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in rules} == {
        "NightLate",
        "NightFailed",
        "NightDegraded",
        "NightMissing",
    }
    for rule in rules:
        assert metrics_in(rule["expr"]) <= {*GAUGES}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_the_dashboard_shows_every_metric() -> None:
    text = (DEPLOY / "grafana" / "dashboards" / "night.json").read_text()
    assert metrics_in(text) == {*GAUGES, STEP_SECONDS}
    board = json.loads(text)
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    provisioned = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((provisioned / "datasources" / "prometheus.yaml").read_text())
    uids = {target["datasource"]["uid"] for panel in panels for target in panel["targets"]}
    assert uids == {source["datasources"][0]["uid"]}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    provider = yaml.safe_load((provisioned / "dashboards" / "logistics.yaml").read_text())
    assert provider["providers"][0]["type"] == "file"


def test_prometheus_finds_rays_nodes_and_the_alerts() -> None:
    folder = DEPLOY / "prometheus"
    served = yaml.safe_load((folder / "prometheus.yml").read_text())
    assert all((folder / name).is_file() for name in served["rule_files"])
    (job,) = served["scrape_configs"]
    assert job["file_sd_configs"][0]["files"] == ["/tmp/ray/prom_metrics_service_discovery.json"]
    assert served["global"]["scrape_interval"] == "10s"


# --- JSON lines ----------------------------------------------------------------------------------


def test_every_line_of_the_log_tells_its_run(ray_session: None, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "night.jsonl"
    base = config(tmp_path, f"watch.log={path}")
    play(base, night(base, ROUTES))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(line["run_id"] == "r-1" and line["run_date"] == "2026-03-02" for line in lines)
    assert all(datetime.fromisoformat(line["ts"]).tzinfo for line in lines)
    assert [line["event"] for line in lines] == [
        "night begun",
        "workload begun",
        "unit reused",
        "unit done",
        "unit failed",
        "workload partly failed",
        "night failed",
    ]
    done, failed = lines[3], lines[4]
    assert (done["level"], done["workload"], done["site"]) == ("INFO", "routes", "rotterdam")
    assert (done["seconds"], done["rows"], done["rows_rejected"]) == (7.5, 100, 3)
    assert (failed["level"], failed["failure"]) == ("ERROR", FAILED.failure)


def test_a_log_that_cannot_be_written_is_refused_by_name(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"watch\.log"):
        Watch(config(tmp_path, f"watch.log={tmp_path}/file/night.jsonl"), "r-1")
