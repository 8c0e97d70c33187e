"""The command line: Hydra composes conf/, config.py validates it, the task is run.

    python -m logistics.run [key=value …]      (--help lists the tasks and the common keys)

Exit codes: 0 the plan is whole, 1 some unit failed, 2 the request cannot be carried out,
130 told to stop (SIGTERM or ctrl-C): units in flight are finished and published first.
"""

import difflib
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import FrameType

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logistics import report
from logistics.config import Config, ConfigError, parse
from logistics.outcome import Night, Progress

CONF = Path(__file__).resolve().parent.parent / "conf"
GROUPS = (
    "task",
    "world",
    "cluster",
    "forecast",
    "routes",
    "maintenance",
    "slotting",
    "retention",
    "watch",
)
# Keys that only some tasks know.
_OF_TASKS = {
    **dict.fromkeys(("order", "sku", "asset"), ("explain",)),
    **dict.fromkeys(("from", "to"), ("backfill",)),
    "run": ("repair", "rollback"),
    "workload": ("train", "rollback_model", "backtest"),
}


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    if any(argument in ("-h", "--help", "help") for argument in arguments):
        print(_help())  # noqa: T201
        return 0
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        raw = compose_config(arguments)
        if "--cfg" in arguments:
            print(OmegaConf.to_yaml(OmegaConf.create(raw)))  # noqa: T201
            return 0
        return _run(_consistent(parse(raw)))
    except ConfigError as fault:
        return report.refuse(str(fault))
    except KeyboardInterrupt:
        return report.interrupted()


def compose_config(arguments: Sequence[str]) -> dict[str, object]:
    """The whole config as plain values. Raises ConfigError naming the faulty key."""
    overrides = [argument for argument in arguments if argument != "--cfg"]
    for override in overrides:
        if not re.match(r"\+{0,2}[\w.@/]+=", override):
            raise ConfigError(_no_override(override))
    try:
        with warnings.catch_warnings(), initialize_config_dir(str(CONF), version_base="1.3"):
            warnings.simplefilter("ignore")
            composed = compose("config", overrides=overrides)
            raw = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as fault:
        raise ConfigError(_one_line(fault)) from None
    assert isinstance(raw, dict)
    return _fill_in({str(key): value for key, value in raw.items()})


def _fill_in(raw: dict[str, object]) -> dict[str, object]:
    """Locations, date and determinism that follow from others; local paths become absolute."""
    world = raw["world"]
    assert isinstance(world, dict)
    made = raw["lake"] is None
    if made:
        raw["lake"] = f".night/{world['name']}-{raw['seed']}"
    if raw["date"] is None:
        raw["date"] = _date(raw, made, world["date"])
    if raw["deterministic"] is None:
        raw["deterministic"] = made and world["deterministic"]
    raw["lake"] = _absolute(str(raw["lake"]))
    raw["plan"] = _absolute(str(raw["plan"] or f"{raw['lake']}_plan"))
    raw["models"] = _absolute(str(raw["models"] or f"{raw['plan']}/models"))
    raw["made"] = made
    return raw


def _date(raw: dict[str, object], made: bool, first: object) -> object:
    """The day to plan where none is given."""
    if raw["task"] == "backfill":
        return raw["from"] or first
    if made or raw["task"] in ("world", "repair"):  # repair plans the day of the run it repairs
        return first
    if raw["task"] in ("tidy", "rollback_model"):
        return date.today().isoformat()
    raise ConfigError(f"date: say which day to plan for lake={raw['lake']}, date=2026-03-02")


def _consistent(config: Config) -> Config:
    """The config itself. Raises ConfigError when the task lacks what it is about, or is given what
    another one is about: who forgets task=explain does not want a night planned."""
    for key, tasks in _OF_TASKS.items():
        given = getattr(config, {"from": "first", "to": "last"}.get(key, key))
        if given is not None and config.task not in tasks:
            meant = " or ".join(f"task={task}" for task in tasks)
            raise ConfigError(f"{key}={given}: this is of {meant}, not of task={config.task}")
    if config.plan == config.lake:
        raise ConfigError(f"plan={config.plan} is the lake itself; give it a folder of its own")
    if config.task == "train" and config.workload is None:
        raise ConfigError(
            "task=train: say what to train, workload=forecast or workload=maintenance"
        )
    if config.task == "backtest" and config.workload not in (None, "forecast"):
        raise ConfigError("task=backtest: of forecasts only; task=train tells a model's scores")
    own = (pair.rpartition(":")[2] for pair in config.forecast.holidays_of)
    for place in sorted({*own, config.forecast.holidays or ""} - {""}):
        from logistics.forecast import holidays  # a second to import, for those who ask for it

        fault = holidays.fault(place)
        if fault is not None:
            raise ConfigError(f"forecast.holidays: {fault}")
    if config.task == "rollback_model" and config.workload is None:
        raise ConfigError(
            "task=rollback_model: say whose, workload=forecast or workload=maintenance"
        )
    if config.task == "repair" and config.run is None:
        raise ConfigError("task=repair: say which run to repair, run=<run_id of the runs table>")
    if config.task == "backfill":
        if config.first is None or config.last is None:
            raise ConfigError("task=backfill: say which nights, from=2026-03-02 to=2026-03-05")
        if config.last < config.first:
            raise ConfigError(f"to: {config.last} is before from={config.first}")
    return config


def _absolute(location: str) -> str:
    location = location.rstrip("/")
    return location if "://" in location else os.path.abspath(os.path.expanduser(location))


def _run(config: Config) -> int:
    if config.task == "explain":
        return report.explain(config)
    # Ray and Torch take seconds to import: only once the request is known to be sound.
    from logistics import cluster, night, notice, oversights, registry, watch
    from logistics.storage import LakeError
    from logistics.workloads import chosen
    from logistics.world import batch as world

    try:
        if config.task in ("tidy", "rollback", "rollback_model"):
            return _keep(config)
        if config.task == "repair":
            config = night.as_it_was(config)
        notice.check(config.watch.notify)
        make = config.task == "world" or (
            config.made and not world.exists(config.world, config.lake, config.seed)
        )
        if not make:
            report.oversights(oversights.told(config.lake))
            night.check_lake(config, chosen(_subject(config)))
        with report.progress() as progress:
            progress("starting Ray", 0, 1)
            cluster.start_ray(config)
            progress("starting Ray", 1, 1)
            if make:
                world.generate(config.world, config.lake, config.seed, progress)
            if config.task == "world":
                return report.made(config)
            if config.task in ("train", "backtest"):
                return _learn(config, progress)
            nights = _nights(config, progress)
        if not nights:  # told to stop before the first one, or none is missing
            return report.interrupted() if night.asked_for(config) else report.nothing(config)
        return max(report.summary(finished) for finished in nights)
    except (
        LakeError,
        cluster.ClusterError,
        registry.RegistryError,
        night.TrainingError,
        world.WorldError,
    ) as fault:
        watch.refused(config, str(fault))
        return report.refuse(str(fault))


def _keep(config: Config) -> int:
    """What is done to a plan or to models that are there, without Ray."""
    from logistics import registry, upkeep

    if config.task == "tidy":
        return report.tidied(config, upkeep.tidy(config))
    if config.task == "rollback":
        return report.rolled_back(config, *upkeep.roll_back(config))
    card = registry.roll_back(config.models, str(config.workload))
    return report.model_rolled_back(config, card)


def _learn(config: Config, progress: Progress) -> int:
    """Training or a back-test."""
    from logistics import night
    from logistics.forecast.origins import summaries

    if config.task == "train":
        assert config.workload is not None
        return report.trained(config, night.train(config, config.workload, progress))
    period_days = 7 if config.forecast.period == "week" else 1
    return report.backtested(config, summaries(night.backtest(config, progress), period_days))


def _nights(config: Config, progress: Progress) -> list[Night]:
    from logistics import night

    with _told_to_stop() as stop:
        return [
            night.run_night(replace(config, task=task, date=day), progress, stop)
            for task, day in night.asked_for(config)
            if not stop.is_set()
        ]


def _subject(config: Config) -> str:
    """The task whose workloads need the lake's tables."""
    return "forecast" if config.task == "backtest" else config.workload or config.task


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set by the first SIGTERM or ctrl-C; a second one interrupts at once."""
    stop = threading.Event()

    def told(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            _interrupt(number, frame)
        stop.set()
        report.stopping()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _no_override(argument: str) -> str:
    """Why an argument cannot be understood."""
    if argument in _choices("task"):
        return f"{argument}: say task={argument}"
    what = "there is no such option" if argument.startswith("-") else "this is not key=value"
    return f"{argument}: {what}; --help lists tasks and keys"


def _one_line(fault: Exception) -> str:
    """Hydra's message without its advice on Hydra, with the nearest key or choice that exists."""
    message = " ".join(line.strip() for line in str(fault).splitlines() if line.strip())
    message = re.split(r" To append to your| Config search path| See https", message)[0]
    if wrong := re.match(r"Could not override '(.+)'", message):
        near = difflib.get_close_matches(wrong[1], _keys(), n=1)
        hint = f"did you mean {near[0]}?" if near else "--help lists the keys, --cfg all of them"
        return f"{wrong[1]}: there is no such key; {hint}"
    if wrong := re.match(r"In 'config': Could not find '(\w+)/(.+?)'", message):
        choices = _choices(wrong[1])
        near = difflib.get_close_matches(wrong[2], choices, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(choices)}"
        return f"{wrong[1]}={wrong[2]}: there is no such {wrong[1]}; {hint}"
    return message


def _choices(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _keys() -> list[str]:
    """Every key that can be overridden."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        raw = OmegaConf.to_container(compose("config"))
    assert isinstance(raw, dict)
    groups = {str(key): value for key, value in raw.items() if isinstance(value, dict)}
    return [str(key) for key in raw] + [f"{g}.{k!s}" for g, v in groups.items() for k in v]


def _help() -> str:
    tasks = sorted((CONF / "task").glob("*.yaml"))
    told = {task.stem: task.read_text().splitlines()[1].lstrip("# ") for task in tasks}
    lines = (CONF / "config.yaml").read_text().splitlines()
    keys = [re.match(r"(\w+): (\S+) +# (.*)", line) for line in lines]
    groups = {group: ", ".join(_choices(group)) for group in GROUPS[1:]}
    return "\n".join(
        [
            "python -m logistics.run [key=value …]   plan a night of the supply chain",
            "",
            "task= one of",
            *(f"  {name:<14} {text}" for name, text in told.items()),
            "",
            "keys and their defaults",
            *(f"  {key[1] + '=' + key[2]:<20} {key[3]}" for key in keys if key),
            "",
            "groups: choose one with group=choice, change one value with group.key=value",
            *(f"  {group:<12} {choices}" for group, choices in groups.items()),
            "",
            "--cfg prints the whole config of a run instead of running it",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
