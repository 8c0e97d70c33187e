"""The peers by name. A peer's library is loaded only when it is asked for: some take seconds."""

from dataclasses import dataclass
from importlib import import_module, util

from forecast_case import Forecaster


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a peer is: a module here with its forecaster in PEERS, and the libraries it needs.

    seeded: whether another seed makes another forecast.
    """

    module: str
    libraries: tuple[str, ...]
    seeded: bool

    def missing(self) -> str | None:
        """The first library that is not installed."""
        return next((name for name in self.libraries if util.find_spec(name) is None), None)


_STATS = Peer("forecast_peers_stats", ("statsforecast",), False)
_NEURAL = Peer("forecast_peers_neural", ("neuralforecast",), True)
PEERS = {
    "seasonal_naive": _STATS,
    "mean_28": _STATS,
    "croston_sba": _STATS,
    "tsb": _STATS,
    "auto_ets": _STATS,
    "theta": _STATS,
    "lightgbm_direct": Peer("forecast_peers_direct", ("lightgbm",), True),
    "lightgbm_recursive": Peer("forecast_peers_recursive", ("mlforecast", "lightgbm"), True),
    "tide": _NEURAL,
    "nhits": _NEURAL,
}


def forecaster(name: str) -> Forecaster:
    found: Forecaster = import_module(PEERS[name].module).PEERS[name]
    return found
