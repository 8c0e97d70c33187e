"""Files of a night beside the plan's tables, for people and devices that read no Delta table.

Each file is written whole. A site's files are replaced with its unit, its tables when all sites
are done: between the two, the files are the newer ones.
"""

from collections.abc import Mapping
from datetime import date
from urllib.parse import quote

from logistics.storage import LakeError, at, put

FOLDER = "files"


def folder(plan: str, run_date: date, column: str, site_id: str) -> str:
    """column: what the tables call the site, as depot_id."""
    return f"{plan}/{FOLDER}/run_date={run_date}/{column}={quote(site_id, safe='')}"


def write(
    plan: str, run_date: date, column: str, site_id: str, contents: Mapping[str, bytes]
) -> None:
    """Make these the site's only files of the night. Raises LakeError when that cannot be done."""
    fs, root = at(folder(plan, run_date, column, site_id))
    for name, content in contents.items():
        put(fs, f"{root}/{name}", content)
    try:
        fs.invalidate_cache(root)  # another worker may have written the night before this one
        there = fs.find(root) if fs.exists(root) else []
        for path in there:
            if path.rpartition("/")[2] not in contents:
                fs.rm_file(path)
    except OSError as fault:
        raise LakeError(f"{root} cannot be replaced: {fault}") from None


def drop(plan: str, before: date) -> int:
    """Remove the files of every night before a date; returns how many nights those were."""
    fs, root = at(f"{plan}/{FOLDER}")
    nights = fs.ls(root, detail=False) if fs.exists(root) else []
    old = [night for night in nights if night.rpartition("run_date=")[2] < str(before)]
    for night in old:
        fs.rm(night, recursive=True)
    return len(old)
