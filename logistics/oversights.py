"""What lies in a lake, is not read, and looks as if it should be: tables and columns whose name is
nearly that of one that is absent. Told before a night, for the plan would lack it without a word.
"""

import difflib
from collections.abc import Collection, Iterator

from logistics import lake
from logistics.schema import Contract
from logistics.storage import LakeError
from logistics.tables import CONTRACTS

_ALIKE = 0.75  # of difflib's ratio, as unit_kgs and unit_kg
_SHORTEST = 4  # letters of an abbreviation, as prio


def told(location: str) -> Iterator[str]:
    """A line for each. Raises LakeError for a table that is there in another format than can be
    read, and in no other, or a lake that is not there."""
    names = lake.entries(location)
    present = {name.removesuffix(".parquet") for name in names}
    for name in sorted(names):
        table, dot, kind = name.partition(".")
        if (
            dot
            and f".{kind}".lower().endswith(lake.FOREIGN)
            and table in CONTRACTS.keys() - present
        ):
            raise LakeError(
                f"lake={location}: {name} cannot be read: tables are Parquet or Delta, "
                f"{table}.parquet or {table}/…"
            )
        if not name.startswith(("_", ".")):
            yield from _near(f"lake={location}: ", "table", name, CONTRACTS, present)
    for contract in CONTRACTS.values():
        if contract.name in present and contract.extra is None:
            yield from _columns(location, contract)


def _columns(location: str, contract: Contract) -> Iterator[str]:
    found = lake.columns(location, contract.name)
    for name in sorted(found):
        yield from _near(f"{contract.name}: ", "column", name, contract.columns, found)


def _near(
    where: str, what: str, name: str, known: Collection[str], found: Collection[str]
) -> Iterator[str]:
    """Whether a name that is not known is nearly one that is, and was not found."""
    if name in known:
        return
    for meant in known:
        if meant not in found and _alike(name.lower(), meant):
            yield f"{where}{what} {name} is not read; did you mean {meant}?"
            return


def _alike(name: str, meant: str) -> bool:
    short = len(name) >= _SHORTEST and meant.startswith(name)
    return short or difflib.SequenceMatcher(a=name, b=meant).ratio() >= _ALIKE
