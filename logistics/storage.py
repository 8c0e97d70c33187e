"""Places of files: a local folder or any URL fsspec knows. Knows nothing of what is stored."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from uuid import uuid4

import fsspec
from fsspec import AbstractFileSystem


class LakeError(ValueError):
    """A location or table that cannot be used; the message says which and what to do."""


def at(location: str) -> tuple[AbstractFileSystem, str]:
    """The file system of a location and the path in it. Raises LakeError when a package lacks."""
    try:
        fs, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as fault:
        extra = "; install logistics[s3]" if location.startswith("s3:") else ""
        extra = extra if find_spec("s3fs") is None else ""
        raise LakeError(f"{location} cannot be used: {fault}{extra}") from None
    return fs, path


def faults(fs: AbstractFileSystem) -> tuple[type[Exception], ...]:
    """What a file system raises when it cannot be used: S3's without credentials or endpoint too,
    which are no OSError."""
    if "s3" not in fs.protocol:
        return OSError, ValueError
    from botocore.exceptions import BotoCoreError  # of the extra `s3`

    return OSError, ValueError, BotoCoreError


def absolute(location: str) -> str:
    """An absolute path or a URL, as delta-rs wants it."""
    fs, path = at(location)
    return path if "file" in fs.protocol else location


def put(fs: AbstractFileSystem, path: str, content: bytes) -> None:
    """Write a file that readers see whole or not at all.

    Object stores do so by themselves; in a folder the file is renamed into place. Raises LakeError
    when it cannot be written, as on a full disk.
    """
    try:
        if "file" not in fs.protocol:
            fs.pipe_file(path, content)
        else:
            with _aside(path, content) as part:
                os.replace(part, path)
    except OSError as fault:
        raise LakeError(f"{path} cannot be written: {one_line(fault)}") from None


def create(fs: AbstractFileSystem, path: str, content: bytes) -> bool:
    """Write a file that must not be there yet; False, and nothing is written, when it is."""
    try:
        if "file" not in fs.protocol:
            fs.pipe_file(path, content, mode="create")
        else:
            with _aside(path, content) as part:
                os.link(part, path)
    except FileExistsError:
        return False
    except OSError as fault:
        raise LakeError(f"{path} cannot be written: {one_line(fault)}") from None
    return True


@contextmanager
def _aside(path: str, content: bytes) -> Iterator[str]:
    """A file beside `path` with the content, safe on disk, gone afterwards."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{uuid4().hex}.part"
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield part
    finally:
        with suppress(FileNotFoundError):
            os.remove(part)


def one_line(fault: Exception) -> str:
    """What an exception says, without line breaks and terminal colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(fault)).split())


def stamp(info: Mapping[str, object]) -> str:
    """What is known of a file's state without reading it: its size, and tag or times."""
    keys = ("size", "ETag", "etag", "md5Hash", "mtime", "created", "LastModified", "ino")
    return " ".join(f"{key}={info[key]}" for key in keys if key in info)


def modified(info: Mapping[str, object]) -> float:
    """When a file was last written, in Unix seconds; 0 where the storage does not tell."""
    when = info.get("mtime") or info.get("LastModified") or info.get("updated") or 0.0
    return when.timestamp() if isinstance(when, datetime) else float(str(when))
