"""A routing service on 127.0.0.1 that speaks OSRM's and Valhalla's protocol over a known world.

Its roads are 1.4 great circles at 10 m/s and a minute more for each drive northwards. Places below
the 40th parallel are cut off.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np

from logistics.routes.travel import great_circle_m

Place = tuple[float, float]  # (lat, lon)


def true_m(start: Place, end: Place) -> float:
    return 1.4 * float(great_circle_m(*(np.array(x) for x in (*start, *end))))


def true_s(start: Place, end: Place) -> float:
    return true_m(start, end) / 10 + 60 * (end[0] > start[0])


class Stub(ThreadingHTTPServer):
    """max_arcs: of one request, else it refuses. busy: so many requests are told to come again."""

    def __init__(self, max_arcs: int, busy: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.max_arcs, self.busy, self.asked = max_arcs, busy, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(max_arcs: int = 10_000, busy: int = 0) -> Iterator[Stub]:
    server = Stub(max_arcs, busy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, urlsplit(self.path).query
        assert path.startswith("/table/v1/driving/")
        places = [_place(text) for text in path.rpartition("/")[2].split(";")]
        options = dict(option.split("=") for option in query.split("&"))
        assert options["annotations"] == "duration,distance"
        sources, targets = (
            [places[int(k)] for k in options[name].split(";")]
            for name in ("sources", "destinations")
        )
        if self._busy():
            return
        if len(sources) * len(targets) > self.server.max_arcs:
            self._say(400, {"code": "TooBig", "message": "Too many table coordinates"})
            return
        distances = [[_known(true_m, a, b) for b in targets] for a in sources]
        durations = [[_known(true_s, a, b) for b in targets] for a in sources]
        self._say(200, {"code": "Ok", "distances": distances, "durations": durations})

    def do_POST(self) -> None:
        assert self.path == "/sources_to_targets"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["costing"] == "auto"
        sources, targets = (
            [(place["lat"], place["lon"]) for place in asked[name]]
            for name in ("sources", "targets")
        )
        if self._busy():
            return
        if len(sources) * len(targets) > self.server.max_arcs:
            fault = {"error_code": 150, "error": "Exceeded max locations", "status_code": 400}
            self._say(400, fault)
            return
        arcs = [
            [
                {
                    "from_index": i,
                    "to_index": j,
                    "distance": None if (m := _known(true_m, a, b)) is None else m / 1000,
                    "time": _known(true_s, a, b),
                }
                for j, b in enumerate(targets)
            ]
            for i, a in enumerate(sources)
        ]
        self._say(200, {"sources_to_targets": arcs, "units": asked["units"]})

    def _busy(self) -> bool:
        self.server.asked += 1
        if self.server.asked <= self.server.busy:
            self._say(503, {})
            return True
        return False

    def _say(self, status: int, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests are quiet."""


def _place(text: str) -> Place:
    lon, lat = text.split(",")
    return float(lat), float(lon)


def _known(measure: object, start: Place, end: Place) -> float | None:
    assert callable(measure)
    return None if min(start[0], end[0]) < 40 else round(measure(start, end), 1)
