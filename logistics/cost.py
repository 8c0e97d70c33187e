"""What a night's machines cost: pure arithmetic over the seconds its steps took.

Only steps that ran are counted, each with the share of a machine it held: units taken from an
earlier run cost nothing, and neither do machines that idle (which a cloud bills nevertheless).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from logistics.config import Config
from logistics.outcome import Outcome

CORES = {"read": 0.5}  # step → cores held, as company.py asks Ray for; all others hold one


@dataclass(frozen=True, slots=True)
class Hours:
    """Core- and GPU-hours of one workload, or of several."""

    core: float = 0.0
    gpu: float = 0.0

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(self.core + other.core, self.gpu + other.gpu)


@dataclass(frozen=True, slots=True)
class Cost:
    """The hours of every workload and the prices of one."""

    hours: Mapping[str, Hours]
    price_per_core_hour: float
    price_per_gpu_hour: float
    currency: str

    @property
    def total(self) -> Hours:
        return sum(self.hours.values(), Hours())

    def price(self, hours: Hours) -> float:
        return hours.core * self.price_per_core_hour + hours.gpu * self.price_per_gpu_hour

    def __str__(self) -> str:
        by_price = sorted(self.hours, key=lambda name: (-self.price(self.hours[name]), name))
        prices = {name: _short(self.price(self.hours[name])) for name in by_price}
        shares = [f"{name} {price}" for name, price in prices.items() if price != "0"]
        total = self.total
        return (
            f"{_short(total.core)} core-hours, {_short(total.gpu)} GPU-hours: "
            f"{_short(self.price(total))} {self.currency}"
            + (f" ({', '.join(shares)})" if shares else "")
        )


def cost(config: Config, outcomes: Mapping[str, Outcome]) -> Cost:
    """The cost of what was computed, by workload."""
    gpus = {"forecast": config.forecast.num_gpus, "maintenance": config.maintenance.num_gpus}
    hours = {
        name: sum(
            (
                Hours(
                    seconds * CORES.get(step, 1.0) / 3600,
                    seconds * gpus.get(name, 0.0) / 3600,
                )
                for step, seconds in outcome.step_seconds.items()
            ),
            Hours(),
        )
        for name, outcome in outcomes.items()
    }
    watch = config.watch
    return Cost(hours, watch.price_per_core_hour, watch.price_per_gpu_hour, watch.currency)


def _short(value: float) -> str:
    """Two digits that count, and never an exponent: 0.0083, 0.21, 12, 1,234."""
    if value >= 10:
        return f"{value:,.0f}"
    if value < 5e-5:
        return "0"
    return f"{value:.4f}"[:6] if value < 0.01 else f"{value:.2g}"
