"""Send a night to a running Ray cluster, follow its log, and return its exit code.

    scripts/submit [options] [key=value …]      (key=value as of logistics.run)

The night runs from a copy of this checkout's logistics/ and conf/; the nodes must have the package
installed for its dependencies (cluster.yaml and conf/deploy/Dockerfile do so). Places are those of
the cluster, URLs or paths from the root: a job's own folder goes with it. Exit codes are those of
logistics.run; 2 also when the cluster cannot be reached or refuses the token.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import requests
from ray.exceptions import AuthenticationError, RpcError
from ray.job_submission import JobStatus, JobSubmissionClient

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("logistics", "conf")
# Ray kills a stopped job after 3 s unless told otherwise; a night finishes the units in flight.
STOP_WAIT_S = 300
POLL_S = 0.5


def main(arguments: Sequence[str]) -> int:
    """Submit, follow and return the night's exit code."""
    options = _options().parse_intermixed_args(arguments)
    try:
        _lasting(options.overrides)
        environment = _environment(options.env)
        logging.disable(logging.INFO)  # the client's uploads and sockets; its loggers set INFO
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # a cluster without tokens ignores ours
        client = JobSubmissionClient(options.address)
        job = _submit(client, options.overrides, environment)
        return _follow(client, job, options)
    except (ConnectionError, requests.RequestException, RpcError):
        return _refuse(f"no Ray cluster answers at --address {options.address}")
    except AuthenticationError:
        return _refuse(
            f"{options.address} refuses the token: set RAY_AUTH_TOKEN to the cluster's, or put it "
            "into ~/.ray/auth_token"
        )
    except (RuntimeError, ValueError) as fault:
        return _refuse(str(fault).splitlines()[0])
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("scripts/submit", description="Send a night to a Ray cluster.")
    parser.add_argument(
        "--address",
        type=_dashboard,
        default=os.environ.get("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:8265"),
        help="of the cluster's dashboard (default: RAY_API_SERVER_ADDRESS, else %(default)s)",
    )
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="an environment variable of the night, on every node; without VALUE, as it is here",
    )
    parser.add_argument(
        "--stop-on-interrupt",
        action="store_true",
        help="ctrl-C stops the night instead of only ceasing to follow it",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="as of logistics.run; lake and plan are URLs, or paths from the root",
    )
    return parser


def _dashboard(address: str) -> str:
    """A host and port alone is a dashboard's, too; Ray would take it for its own."""
    return address if "://" in address or address == "auto" else f"http://{address}"


def _environment(given: Sequence[str]) -> dict[str, str]:
    """Name → value. Raises ValueError for a name that has no value here either."""
    found = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}
    for pair in given:
        name, assigned, value = pair.partition("=")
        if not assigned and name not in os.environ:
            raise ValueError(f"--env {name}: it is not set here; give it as {name}=VALUE")
        found[name] = value if assigned else os.environ[name]
    return found


def _lasting(overrides: Sequence[str]) -> None:
    """Raises ValueError where the plan, or what it is made of, would lie in the job's own folder,
    which goes with the job."""
    given = dict(override.split("=", 1) for override in overrides if "=" in override)
    if not given.get("plan") and not given.get("lake"):
        raise ValueError("plan= is not said: say where on the cluster, as plan=s3://bucket/plan")
    for key in ("lake", "plan", "models"):
        place = given.get(key, "")
        if place and "://" not in place and not place.startswith(("/", "~")):
            raise ValueError(
                f"{key}={place}: it would go with the job; say it from the root, /…/{place}"
            )


def _submit(
    client: JobSubmissionClient, overrides: Sequence[str], environment: dict[str, str]
) -> str:
    night = [
        "python",
        "-m",
        "logistics.run",
        "cluster.address=auto",
        "cluster.no_progress_s=900",
        *overrides,
    ]
    with _clean_copy() as folder:
        runtime_env = {"working_dir": folder, "env_vars": environment}
        return str(client.submit_job(entrypoint=shlex.join(night), runtime_env=runtime_env))


@contextlib.contextmanager
def _clean_copy() -> Iterator[str]:
    """Only what a night needs: never the lake, the plan or the environment of this checkout."""
    with tempfile.TemporaryDirectory() as folder:
        for name in SHIPPED:
            ignored = shutil.ignore_patterns("__pycache__", "deploy")
            shutil.copytree(ROOT / name, Path(folder, name), ignore=ignored)
        yield folder


def _follow(client: JobSubmissionClient, job: str, options: argparse.Namespace) -> int:
    try:
        asyncio.run(_print_log(client, job))
        return _exit_code(client, job)
    except KeyboardInterrupt:
        if not options.stop_on_interrupt:
            where = f"--address {options.address} {job}"
            print(f"\n{job} goes on. Follow or stop it with")
            print(f"  ray job logs --follow {where}\n  ray job stop {where}")
            raise
    print(f"\nStopping {job}: the units in flight are finished first.", flush=True)
    client.stop_job(job)
    return _exit_code(client, job)


async def _print_log(client: JobSubmissionClient, job: str) -> None:
    # A proxy may cut the connection: the night goes on, and its end is found by asking.
    with contextlib.suppress(RuntimeError, OSError, aiohttp.ClientError):
        async for lines in client.tail_job_logs(job):
            print(lines, end="", flush=True)


def _exit_code(client: JobSubmissionClient, job: str) -> int:
    """The night's own exit code, once it ends; 130 when it was stopped, 1 when it never ran."""
    while not (status := client.get_job_status(job)).is_terminal():
        time.sleep(POLL_S)
    if status == JobStatus.STOPPED:
        return 130
    ended = client.get_job_info(job)
    if ended.driver_exit_code is not None:
        return int(ended.driver_exit_code)
    if status == JobStatus.FAILED:
        print(f"{job} could not run: {ended.message}", file=sys.stderr)
    return int(status == JobStatus.FAILED)


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
