"""One run of a night at a time: a lock file beside the plan, with a sign of life in it.

A lock whose holder is gone is taken over: at once when it was a process of this machine, else after
EXPIRES_S without a sign of life.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

import psutil

from logistics.storage import LakeError, at, create, put

BEAT_S = 15.0
EXPIRES_S = 120.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, and when it was last heard of (Unix seconds)."""

    token: str
    host: str
    pid: int
    process_started: float
    since: float
    heard: float

    @property
    def alive(self) -> bool:
        if time.time() - self.heard > EXPIRES_S:
            return False
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started) < 1
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class LockLostError(LakeError):
    """Another run has taken the night over meanwhile."""


class Lock:
    """A held lock. `check` raises LockLostError when another run has taken it over meanwhile."""

    def __init__(self, plan: str, name: str, mine: Holder) -> None:
        self.plan, self.name, self.mine = plan, name, mine

    def check(self) -> None:
        holder = _read(self.plan, self.name)
        if holder is None or holder.token != self.mine.token:
            raise LockLostError(
                f"{self.name}: another run has taken this night over, because this one gave no "
                f"sign of life for {EXPIRES_S:.0f} s; nothing more is published by this one"
            )


@contextmanager
def hold(plan: str, name: str, token: str, against: str | None = None) -> Iterator[Lock]:
    """Hold the plan's lock of that name. Raises LakeError, saying who holds it, when it is taken.

    against: another lock of the plan that must not be held ("*": any at all).
    """
    for other in _names(plan) if against == "*" else [against] if against else []:
        holder = _read(plan, other)
        if other != name and holder is not None and holder.alive:
            raise LakeError(_taken(plan, other, holder))
    now = time.time()
    me = psutil.Process()
    mine = Holder(token, socket.gethostname(), me.pid, me.create_time(), now, now)
    _take(plan, name, mine)
    lock, ended = Lock(plan, name, mine), threading.Event()
    beat = threading.Thread(target=_beat, args=(lock, ended), daemon=True)
    beat.start()
    try:
        lock.check()
        yield lock
    finally:
        ended.set()
        beat.join()
        holder = _read(plan, name)
        if holder is not None and holder.token == token:
            fs, path = at(_path(plan, name))
            fs.rm_file(path)


def _take(plan: str, name: str, mine: Holder) -> None:
    fs, path = at(_path(plan, name))
    content = json.dumps(asdict(mine)).encode()
    if create(fs, path, content):
        return
    holder = _read(plan, name)
    if holder is not None and holder.alive:
        raise LakeError(_taken(plan, name, holder))
    with suppress(FileNotFoundError):
        fs.rm_file(path)
    if not create(fs, path, content):
        raise LakeError(f"{name}: another run of this night has just begun; wait for it to end")


def _beat(lock: Lock, ended: threading.Event) -> None:
    fs, path = at(_path(lock.plan, lock.name))
    while not ended.wait(BEAT_S):
        # A disk that is full for a moment must not end the heart, let alone the night.
        with suppress(OSError, LakeError):
            holder = _read(lock.plan, lock.name)
            if holder is None or holder.token != lock.mine.token:
                return
            put(fs, path, json.dumps(asdict(replace(holder, heard=time.time()))).encode())


def _taken(plan: str, name: str, holder: Holder) -> str:
    minutes = (time.time() - holder.since) / 60
    return (
        f"plan={plan}: {name} is being run since {minutes:.0f} min by process {holder.pid} on "
        f"{holder.host} (run {holder.token}); wait for it to end, or end it and run this again"
    )


def _read(plan: str, name: str) -> Holder | None:
    fs, path = at(_path(plan, name))
    try:
        return Holder(**json.loads(fs.cat_file(path)))
    except FileNotFoundError:
        return None


def _names(plan: str) -> list[str]:
    fs, root = at(f"{plan}/_locks")
    paths = fs.ls(root, detail=False) if fs.exists(root) else []
    return sorted(p.rpartition("/")[2].removesuffix(".json") for p in paths if p.endswith(".json"))


def _path(plan: str, name: str) -> str:
    return f"{plan}/_locks/{name}.json"
