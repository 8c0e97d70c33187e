"""Keys as numbers say what polars' own, slower ways say."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from logistics.codes import distinct, encode, number, repeated

texts = st.lists(st.none() | st.sampled_from(["", "a", "b", "ü", "long enough for no prefix"]))
whole = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)


@given(texts, st.integers(0, 30))
def test_codes_are_positions_among_the_sorted_texts(found: list[str | None], cut: int) -> None:
    values = pl.Series(found, dtype=pl.String)
    chunked = pl.concat([values[:cut], values[cut:]], rechunk=False)
    names, codes = encode(chunked)
    assert names.to_list() == sorted({text for text in found if text is not None})
    assert [([*names, None])[code] for code in codes] == found
    assert sorted(distinct(chunked)) == names.to_list()


@given(st.lists(st.tuples(st.none() | st.sampled_from("abc"), whole), min_size=1))
def test_a_key_is_repeated_where_polars_says_so(rows: list[tuple[str | None, int | None]]) -> None:
    keys = pl.DataFrame(rows, schema={"text": pl.String, "number": pl.Int64}, orient="row")
    names, codes = encode(keys["text"])
    numbers, count = number(keys["number"])
    if count <= 2**40:
        found = repeated([(codes, len(names) + 1), (numbers, count)])
        assert found.tolist() == keys.is_duplicated().to_list()
