"""Who is told of a night, and what, against a webhook that listens here."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from logistics import watch
from logistics.config import ConfigError, dump
from logistics.storage import LakeError
from logistics.watch import Watch
from tests.nights import FORECAST, ROUTES, night, play
from tests.settings import config


class Hook(HTTPServer):
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/secret"


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Hook)
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_failed_night_tells_what_failed_and_how_to_go_on(
    ray_session: None, tmp_path: Path, hook: Hook
) -> None:
    base = config(tmp_path, f"watch.notify=['{hook.url}']")
    play(base, night(base, ROUTES))
    (told,) = hook.told
    assert (told["title"], told["type"]) == ("logistics: night 2026-03-02 failed", "failure")
    assert "routes utrecht: solve: ValueError: no vehicles" in told["message"]
    assert "task=repair run=r-1" in told["message"]
    assert "core-hours" in told["message"]


def test_only_the_events_asked_for_are_told(ray_session: None, tmp_path: Path, hook: Hook) -> None:
    base = config(tmp_path, f"watch.notify=['{hook.url}']", "watch.notify_on=[success]")
    play(base, night(base, ROUTES))
    assert hook.told == []
    play(base, night(base, FORECAST))
    assert [told["title"] for told in hook.told] == ["logistics: night 2026-03-02 is planned"]


def test_a_night_past_its_deadline_is_told_at_once_and_once(
    ray_session: None, tmp_path: Path, hook: Hook
) -> None:
    base = config(tmp_path, f"watch.notify=['{hook.url}']", "watch.deadline_minutes=0.002")
    with Watch(base, "r-1") as told:
        told.begun("routes", units=3, reused=1)
        time.sleep(0.5)
        assert [late["title"] for late in hook.told] == ["logistics: night 2026-03-02 is late"]
        assert "routes 2" in hook.told[0]["message"]
    assert len(hook.told) == 1


def test_a_night_in_time_is_not_late(ray_session: None, tmp_path: Path, hook: Hook) -> None:
    base = config(tmp_path, f"watch.notify=['{hook.url}']", "watch.deadline_minutes=0.01")
    play(base, night(base, FORECAST))
    time.sleep(0.8)
    assert [told["type"] for told in hook.told] == ["success"]


def test_a_night_that_breaks_is_told(ray_session: None, tmp_path: Path, hook: Hook) -> None:
    base = config(tmp_path, f"watch.notify=['{hook.url}']")
    with pytest.raises(RuntimeError), Watch(base, "r-1"):
        raise RuntimeError("the lake is gone")
    with pytest.raises(LakeError), Watch(base, "r-1"):
        raise LakeError("lake=x lacks the table sales")
    watch.refused(base, "lake=x lacks the table sales")
    assert [told["type"] for told in hook.told] == ["failure", "failure"]
    assert "the lake is gone" in hook.told[0]["message"]
    assert "lacks the table sales" in hook.told[1]["message"]


def test_a_dead_webhook_is_a_warning(
    ray_session: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with Hook() as gone:
        url = gone.url
    base = config(tmp_path, f"watch.notify=['{url}']")
    play(base, night(base, ROUTES))
    shown = capfd.readouterr().err
    assert shown.startswith("notice not sent: ")
    assert "secret" not in shown


def test_a_url_nobody_knows_is_refused_without_showing_it(
    ray_session: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"watch\.notify: entry 1") as refusal:
        Watch(config(tmp_path, "watch.notify=['nosuch://secret']"), "r-1")
    assert "secret" not in str(refusal.value) + capfd.readouterr().err


def test_the_recorded_config_holds_no_webhook(tmp_path: Path) -> None:
    base = config(tmp_path, "watch.notify=['json://user:secret@example.org']")
    assert "secret" not in json.dumps(dump(base)) + repr(base)
