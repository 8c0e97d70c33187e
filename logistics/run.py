"""The command line: Hydra composes conf/, config.py validates it, the task is run.

    python -m logistics.run [key=value …]      (--help lists the tasks and the common keys)

Exit codes: 0 the plan is whole, 1 some unit failed, 2 the request cannot be carried out,
130 interrupted.
"""

import difflib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from logistics import report
from logistics.config import Config, ConfigError, parse

CONF = Path(__file__).resolve().parent.parent / "conf"
GROUPS = ("task", "world", "cluster", "forecast", "routes", "maintenance", "slotting")


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the exit code."""
    if any(argument in ("-h", "--help", "help") for argument in arguments):
        print(_help())  # noqa: T201
        return 0
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
    try:
        with warnings.catch_warnings(), initialize_config_dir(str(CONF), version_base="1.3"):
            warnings.simplefilter("ignore")
            composed = compose("config", overrides=list(overrides))
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
        if not made and raw["task"] != "world":
            raise ConfigError(
                f"date: say which day to plan for lake={raw['lake']}, date=2026-03-02"
            )
        raw["date"] = world["date"]
    if raw["deterministic"] is None:
        raw["deterministic"] = made and world["deterministic"]
    raw["lake"] = _absolute(str(raw["lake"]))
    raw["plan"] = _absolute(str(raw["plan"] or f"{raw['lake']}_plan"))
    raw["models"] = _absolute(str(raw["models"] or f"{raw['plan']}/models"))
    raw["made"] = made
    return raw


def _consistent(config: Config) -> Config:
    """The config itself. Raises ConfigError when the task lacks what it is about."""
    if config.task == "train" and config.workload is None:
        raise ConfigError(
            "task=train: say what to train, workload=forecast or workload=maintenance"
        )
    return config


def _absolute(location: str) -> str:
    location = location.rstrip("/")
    return location if "://" in location else os.path.abspath(os.path.expanduser(location))


def _run(config: Config) -> int:
    if config.task == "explain":
        return report.explain(config)
    # Ray and Torch take seconds to import: only once the request is known to be sound.
    from logistics import night
    from logistics.lake import LakeError
    from logistics.world import batch as world

    try:
        make = config.task == "world" or (
            config.made and not world.exists(config.world, config.lake, config.seed)
        )
        if not make:
            night.check_lake(config, night.chosen(config.workload or config.task))
        with report.progress() as progress:
            progress("starting Ray", 0, 1)
            night.start_ray(config)
            progress("starting Ray", 1, 1)
            if make:
                world.generate(config.world, config.lake, config.seed, progress)
            if config.task == "world":
                return report.made(config)
            if config.task == "train":
                assert config.workload is not None
                return report.trained(config, night.train(config, config.workload, progress))
            finished = night.run_night(config, progress)
        return report.summary(finished)
    except (LakeError, night.TrainingError, world.WorldError) as fault:
        return report.refuse(str(fault))


def _one_line(fault: Exception) -> str:
    """Hydra's message without its advice on Hydra, with the nearest key that exists."""
    message = " ".join(line.strip() for line in str(fault).splitlines() if line.strip())
    message = re.split(r" To append to your| Config search path| See https", message)[0]
    wrong = re.match(r"Could not override '(.+)'", message)
    if wrong is None:
        return message
    near = difflib.get_close_matches(wrong[1], _keys(), n=1)
    hint = f"did you mean {near[0]}?" if near else "--help lists the keys, --cfg all of them"
    return f"{wrong[1]}: there is no such key; {hint}"


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
    groups = {
        group: ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        for group in GROUPS[1:]
    }
    return "\n".join(
        [
            "python -m logistics.run [key=value …]   plan a night of the supply chain",
            "",
            "task= one of",
            *(f"  {name:<12} {text}" for name, text in told.items()),
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
