"""The values of a checked table's row, typed; null is the default."""

from collections.abc import Mapping

Row = Mapping[str, object]


def skills(names: object) -> frozenset[str]:
    assert names is None or isinstance(names, list)
    return frozenset(name for name in names or () if name is not None)


def whole(value: object, default: int = 0) -> int:
    assert value is None or isinstance(value, int)
    return default if value is None else value


def real(value: object, default: float = 0.0) -> float:
    assert value is None or isinstance(value, float)
    return default if value is None else value
