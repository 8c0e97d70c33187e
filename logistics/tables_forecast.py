"""Contracts of the input tables that forecasts are made from; items serve the warehouse, too."""

from dataclasses import replace

import polars as pl

from logistics.columns import (
    AMOUNT,
    DAY,
    ID,
    POSITIVE,
    SHARE,
    SIGNAL,
    STORAGE_CLASSES,
    one_of,
    optional,
)
from logistics.schema import Column, Contract

# The days of many series: texts as codes and half the digits take less than half the memory.
CODED = replace(ID, dtype=pl.Categorical())
UNITS, PRICE, OPEN = (replace(kind, dtype=pl.Float32()) for kind in (AMOUNT, POSITIVE, SHARE))
SALES = Contract(
    "sales",
    key=("dc_id", "sku_id", "date"),
    bucket_by="sku_id",
    site="dc_id",
    columns={
        "dc_id": ID,
        "sku_id": CODED,
        "date": DAY,
        "units": UNITS,
        "price": optional(PRICE),
        "in_stock": optional(OPEN),  # share of opening hours; below 1 demand was censored
    },
)
PROMOTIONS = Contract(
    "promotions",
    key=("promo_id",),
    columns={
        "promo_id": ID,
        "sku_id": ID,
        "dc_id": optional(ID),  # null: every DC
        "start": DAY,
        "end": DAY,  # inclusive
        "kind": ID,
        "discount": SHARE,
    },
    rules={"end is before start": pl.col("end") >= pl.col("start")},
)
PRICES = Contract(
    "prices",  # list prices, planned ahead: each holds from its start to the next one's
    key=("sku_id", "dc_id", "start"),
    columns={"sku_id": ID, "dc_id": optional(ID), "start": DAY, "price": POSITIVE},
)
FORECAST_OVERRIDES = Contract(
    "forecast_overrides",  # what planners know better than the forecast
    key=("sku_id", "dc_id", "start", "end", "kind", "planner"),
    columns={
        "sku_id": ID,
        "dc_id": optional(ID),  # null: at every DC
        "start": DAY,
        "end": DAY,  # inclusive
        "kind": one_of("set", "multiply", "add"),
        "value": Column(pl.Float64(), at_least=-1e9, at_most=1e9),  # units a day, or a factor
        "planner": ID,
        "reason": optional(ID),
    },
    rules={
        "end is before start": pl.col("end") >= pl.col("start"),
        "only what is added may be below 0": (pl.col("kind") == "add") | (pl.col("value") >= 0),
    },
)
SIGNALS = Contract(
    "signals",
    key=("dc_id", "date", "name"),
    site="dc_id",
    columns={"dc_id": ID, "date": DAY, "name": ID, "value": SIGNAL},
)
ITEMS = Contract(
    "items",
    key=("sku_id",),
    columns={
        "sku_id": ID,
        # A family is kept together in a warehouse, a segregation group apart from others.
        **dict.fromkeys(("category", "department", "family", "segregation_group"), optional(ID)),
        "launch": optional(DAY),
        "end_of_life": optional(DAY),
        "unit_m3": optional(POSITIVE),
        "unit_kg": optional(POSITIVE),
        "storage_class": optional(one_of(*STORAGE_CLASSES)),
        "lead_time_days": optional(Column(pl.Float64(), above=0, at_most=730)),
    },
)
