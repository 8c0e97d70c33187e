"""The kinds of column that the tables share: their types and limits."""

from dataclasses import replace

import polars as pl

from logistics.schema import Column

ID = Column(pl.String(), name=True)
DAY = Column(pl.Date())
AT = Column(pl.Datetime("us"))
LAT = Column(pl.Float64(), at_least=-90, at_most=90)
LON = Column(pl.Float64(), at_least=-180, at_most=180)
SHARE = Column(pl.Float64(), at_least=0, at_most=1)
# The upper limits are far beyond what is real. They keep sums exact and float32 finite: a single
# 1e300 would cost its whole site.
AMOUNT = Column(pl.Float64(), at_least=0, at_most=1e9)
POSITIVE = Column(pl.Float64(), above=0, at_most=1e9)
LOAD_KG = replace(AMOUNT, at_most=1e6)
LOAD_M3 = replace(AMOUNT, at_most=1e5)
ROOM_KG = replace(POSITIVE, at_most=1e6)
ROOM_M3 = replace(POSITIVE, at_most=1e5)
PLACE_M = Column(pl.Float64(), at_least=-1e6, at_most=1e6)
SECONDS = Column(pl.Int64(), at_least=0, at_most=7 * 24 * 3600)
# A shift may end after midnight, so a time of day may reach into the next day.
TIME_OF_DAY_S = Column(pl.Int64(), at_least=0, at_most=36 * 3600)
COUNT = Column(pl.Int64(), at_least=0, at_most=10**9)
SIGNAL = Column(pl.Float64(), at_least=-1e12, at_most=1e12)
FLAG = Column(pl.Boolean())
SKILLS = Column(pl.List(pl.String()), required=False)
WINDOWS = Column(
    pl.List(pl.Struct({"opens_s": pl.Int64(), "closes_s": pl.Int64()})), required=False
)
STORAGE_CLASSES = ("ambient", "chilled", "frozen", "hazmat")


def one_of(*choices: str) -> Column:
    return Column(pl.String(), choices=choices)


def optional(column: Column) -> Column:
    return replace(column, required=False)
