"""Road lengths and driving times from a routing service over HTTP: OSRM or Valhalla.

Asks block by block, so that no request is above the service's limit; where one is, the block is
halved. Knows the two protocols; no tables and no storage.

Sources: OSRM HTTP API v5 (`/table/v1`), Valhalla matrix API (`/sources_to_targets`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import requests
from numpy.typing import NDArray
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from logistics.routes.travel import Roads

Service = Literal["osrm", "valhalla"]
Places = Sequence[tuple[float, float]]  # (lat, lon)
Answer = tuple[NDArray[np.float64], NDArray[np.float64]]
Ask = Callable[[requests.Session, str, Places, Places], Answer]
# OSRM's default limit is 100 x 100 arcs a request, Valhalla's 2,500.
_BLOCK = 50
_TIMEOUT_S = 60
_TOO_BIG = ("TooBig", 150)
# A service that is starting or busy is asked again, within some ten seconds.
_RETRY = Retry(
    total=4, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=None
)


class ServiceError(ValueError):
    """No answer, or one that says no; the message is for the dispatcher."""


class _TooBigError(ServiceError):
    """More places than the service takes at once."""


def roads(service: Service, url: str, places: Places) -> Roads:
    """Metres and seconds between all places, NaN where the service knows no way.

    Raises ServiceError when the service cannot be reached or refuses.
    """
    shape = (len(places), len(places))
    found = Roads(np.full(shape, np.nan), np.full(shape, np.nan))
    ask = _osrm if service == "osrm" else _valhalla
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_RETRY))
        for rows, columns in _blocks(len(places), _BLOCK):
            _fill(found, ask, session, url.rstrip("/"), places, rows, columns)
    return found


def _blocks(num: int, size: int) -> Iterator[tuple[range, range]]:
    parts = [range(start, min(start + size, num)) for start in range(0, num, size)]
    return ((rows, columns) for rows in parts for columns in parts)


def _fill(
    found: Roads,
    ask: Ask,
    session: requests.Session,
    url: str,
    places: Places,
    rows: range,
    columns: range,
) -> None:
    """Ask for a block of arcs, in halves when it is too big for the service."""
    try:
        distance_m, duration_s = ask(
            session, url, [places[k] for k in rows], [places[k] for k in columns]
        )
    except _TooBigError:
        if len(rows) == len(columns) == 1:
            raise
        longer = max(rows, columns, key=len)
        half = len(longer) // 2
        for part in (longer[:half], longer[half:]):
            pair = (part, columns) if longer is rows else (rows, part)
            _fill(found, ask, session, url, places, *pair)
        return
    block = np.ix_(rows, columns)
    found.distance_m[block], found.duration_s[block] = distance_m, duration_s


def _osrm(session: requests.Session, url: str, sources: Places, targets: Places) -> Answer:
    every = [*sources, *targets]
    query = {
        "sources": ";".join(map(str, range(len(sources)))),
        "destinations": ";".join(map(str, range(len(sources), len(every)))),
        "annotations": "duration,distance",
    }
    where = ";".join(f"{lon:.6f},{lat:.6f}" for lat, lon in every)
    # The separators stay as they are: OSRM does not decode its options.
    options = "&".join(f"{name}={value}" for name, value in query.items())
    answer = _send(session, "GET", f"{url}/table/v1/driving/{where}?{options}")
    _refuse(answer.get("code") != "Ok", answer.get("code"), answer.get("message"))
    shape = (len(sources), len(targets))
    return _matrix(answer.get("distances"), shape), _matrix(answer.get("durations"), shape)


def _valhalla(session: requests.Session, url: str, sources: Places, targets: Places) -> Answer:
    body = {
        "sources": [{"lat": lat, "lon": lon} for lat, lon in sources],
        "targets": [{"lat": lat, "lon": lon} for lat, lon in targets],
        "costing": "auto",
        "units": "kilometers",
    }
    answer = _send(session, "POST", f"{url}/sources_to_targets", body)
    _refuse("error_code" in answer, answer.get("error_code"), answer.get("error"))
    shape = (len(sources), len(targets))
    try:
        kilometres, seconds = (
            [[arc[name] for arc in row] for row in answer["sources_to_targets"]]
            for name in ("distance", "time")
        )
    except (KeyError, TypeError):
        raise ServiceError("an answer without distance and time") from None
    return _matrix(kilometres, shape) * 1000, _matrix(seconds, shape)


def _send(
    session: requests.Session, method: str, url: str, body: dict[str, Any] | None = None
) -> Mapping[str, Any]:
    try:
        reply = session.request(method, url, json=body, timeout=_TIMEOUT_S)
        answer = reply.json()
    except requests.exceptions.JSONDecodeError:
        raise ServiceError(f"HTTP {reply.status_code}, and no JSON") from None
    except requests.RequestException as fault:
        raise ServiceError(f"cannot be reached ({type(fault).__name__})") from None
    if not isinstance(answer, dict):
        raise ServiceError("an answer that is no JSON object")
    return answer


def _refuse(refused: bool, code: object, message: object) -> None:
    if refused:
        raise (_TooBigError if code in _TOO_BIG else ServiceError)(f"{code}: {message}")


def _matrix(rows: object, shape: tuple[int, int]) -> NDArray[np.float64]:
    """As an array, null as NaN. Raises ServiceError for anything but a matrix of that shape."""
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise ServiceError("an answer that is no matrix") from None
    if matrix.shape != shape or (matrix < 0).any():
        raise ServiceError(f"a matrix {matrix.shape} of lengths and times, not {shape}")
    return matrix
