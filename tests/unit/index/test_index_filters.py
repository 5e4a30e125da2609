"""Filters: what they let pass, against a naive reading of them, and what is no filter."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.errors import FilterError, QueryError
from cirray.index import SHARD_ITEMS, Filter, check_filter, mask_of, parse_filter
from cirray.index.filters import MAX_CONDITIONS, MAX_VALUES

SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("price", pa.float64()),
        pa.field("stock", pa.int32()),
        pa.field("new", pa.bool_()),
        pa.field("sizes", pa.list_(pa.int64())),
    ]
)
WORDS = st.sampled_from(["a", "b", "c", ""])
NUMBERS = st.sampled_from([-2, 0, 1, 2, 3])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | WORDS,
            "tags": st.none() | st.lists(WORDS, max_size=3),
            "price": st.none() | st.sampled_from([-1.5, 0.0, 1.0, 2.5]),
            "stock": st.none() | NUMBERS,
            "new": st.none() | st.booleans(),
            "sizes": st.none() | st.lists(st.none() | NUMBERS, max_size=3),
        }
    ),
    max_size=12,
)
_BOUND = st.sampled_from([-1.5, 0, 1, 1.5, 2])
_RANGE = st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), _BOUND, min_size=1)


def _among(field: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda chosen: {"field": field, "in": chosen}, st.lists(values, min_size=1, max_size=4))


CONDITIONS = st.one_of(
    _among("name", WORDS),
    _among("tags", WORDS),
    _among("price", st.sampled_from([0, 1, 1.0, 2.5])),
    _among("stock", st.sampled_from([0, 1, 1.5, 2.0])),
    _among("new", st.booleans()),
    _among("sizes", NUMBERS),
    st.builds(lambda field, bounds: {"field": field, "range": bounds}, st.sampled_from(["price", "stock"]), _RANGE),
    st.builds(lambda bounds: {"field": "sizes", "range": bounds}, _RANGE),
)
FILTERS = st.fixed_dictionaries(
    {}, optional={name: st.lists(CONDITIONS, max_size=3) for name in ("must", "must_not", "should")}
)


def _naive(condition: dict[str, Any], row: dict[str, Any]) -> bool:
    given = row[condition["field"]]
    values = given if isinstance(given, list) else [given]
    return any(value is not None and _holds(condition, value) for value in values)


def _holds(condition: dict[str, Any], value: Any) -> bool:
    if "in" in condition:
        return bool(value in condition["in"])
    bounds = condition["range"]
    return bool(
        value > bounds.get("gt", -99)
        and value >= bounds.get("gte", -99)
        and value < bounds.get("lt", 99)
        and value <= bounds.get("lte", 99)
    )


@settings(max_examples=250, deadline=None)
@given(ROWS, FILTERS)
def test_the_mask_is_what_a_person_would_read(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> None:
    mask = mask_of(parse_filter(json.dumps(wanted)), pa.Table.from_pylist(rows, schema=SCHEMA))
    expected = [
        all(_naive(c, row) for c in wanted.get("must", ()))
        and not any(_naive(c, row) for c in wanted.get("must_not", ()))
        and (not wanted.get("should") or any(_naive(c, row) for c in wanted["should"]))
        for row in rows
    ]
    assert mask.tolist() == expected


def test_a_table_in_several_pieces_is_filtered_as_one() -> None:
    rows = [{"name": n, "tags": [n, "x"]} for n in "abcab"]
    pieces = pa.concat_tables([pa.Table.from_pylist(rows[:2], SCHEMA), pa.Table.from_pylist(rows[2:], SCHEMA)])
    wanted = parse_filter('{"must": [{"field": "tags", "in": ["a"]}]}')
    assert mask_of(wanted, pieces).tolist() == [True, False, False, True, False]
    assert mask_of(wanted, pieces.slice(3)).tolist() == [True, False]


@pytest.mark.parametrize(
    ("wanted", "pointer", "message"),
    [
        (
            {"must": [{"field": "price", "in": ["x"]}]},
            "/must/0/field",
            "no field 'price'.*item_id .text.*list of text",
        ),
        ({"must_not": [{"field": "label", "range": {"gt": 1}}]}, "/must_not/0/range", "is text, and has no range"),
        ({"should": [{"field": "category", "in": ["a", 3]}]}, "/should/0/in/1", "is text.*type int"),
        ({"must": [{"field": "attributes", "in": [True]}]}, "/must/0/in/0", "is list of text.*type bool"),
    ],
)
def test_a_filter_that_does_not_fit_the_items_names_what_there_is(
    wanted: dict[str, Any], pointer: str, message: str
) -> None:
    with pytest.raises(FilterError, match=message) as raised:
        check_filter(parse_filter(json.dumps(wanted)), SHARD_ITEMS)
    assert raised.value.pointer == pointer
    assert isinstance(raised.value, QueryError)


def test_true_is_no_number_and_one_is_not_true() -> None:
    for condition in ({"field": "stock", "in": [True]}, {"field": "new", "in": [1]}, {"field": "price", "in": ["1"]}):
        with pytest.raises(FilterError):
            mask_of(parse_filter(json.dumps({"must": [condition]})), SCHEMA.empty_table())


_OK = {"field": "category", "in": ["a"]}


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "null",
        "[]",
        "7",
        '"must"',
        "{",
        "[" * 100_000,
        '{"must":' * 50_000,
        '{"must": [' * 1000 + "]}" * 1000,
        json.dumps({"musst": [_OK]}),
        json.dumps({"must": _OK}),
        json.dumps({"must": [{"must": [_OK]}]}),
        json.dumps({"must": [{"field": "category"}]}),
        json.dumps({"must": [{"in": ["a"]}]}),
        json.dumps({"must": [{**_OK, "range": {"gt": 1}}]}),
        json.dumps({"must": [{"field": "category", "in": []}]}),
        json.dumps({"must": [{"field": "category", "in": "dress"}]}),
        json.dumps({"must": [{"field": "category", "in": [None]}]}),
        json.dumps({"must": [{"field": "category", "in": [["a"]]}]}),
        json.dumps({"must": [{"field": "category", "in": [{"a": 1}]}]}),
        json.dumps({"must": [{"field": "category", "in": ["a"] * (MAX_VALUES + 1)}]}),
        json.dumps({"must": [{"field": "category", "in": ["a"] * 600}] * 2}),
        json.dumps({"must": [_OK] * MAX_CONDITIONS, "should": [_OK]}),
        json.dumps({"must": [_OK] * 10_000}),
        json.dumps({"must": [{"field": "category", "in": ["a" * 513]}]}),
        json.dumps({"must": [{"field": "x" * 129, "in": ["a"]}]}),
        json.dumps({"must": [{"field": "", "in": ["a"]}]}),
        json.dumps({"must": [{"field": "price", "range": {}}]}),
        json.dumps({"must": [{"field": "price", "range": {"above": 1}}]}),
        json.dumps({"must": [{"field": "price", "range": {"gt": "1"}}]}),
        json.dumps({"must": [{"field": "price", "range": {"gt": True}}]}),
        '{"must": [{"field": "price", "range": {"gt": 1e999}}]}',
        '{"must": [{"field": "price", "range": {"gt": NaN}}]}',
        json.dumps({"must": [{"field": "price", "range": {"gt": 10**30}}]}),
        '{"must": [{"field": "category", "in": ["\\ud800"]}]}',
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_filter_is_refused_in_words(hostile: str) -> None:
    with pytest.raises(FilterError, match="The filter cannot be read"):
        parse_filter(hostile)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_ODD_CONDITION = _JSON | st.fixed_dictionaries(
    {},
    optional={
        "field": _JSON | st.sampled_from([*SCHEMA.names]),
        "in": st.lists(_JSON, max_size=4) | _JSON,
        "range": st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte", "x"]), _JSON, max_size=3) | _JSON,
    },
)
_ODD_FILTER = st.fixed_dictionaries(
    {}, optional={name: st.lists(_ODD_CONDITION, max_size=3) | _JSON for name in ("must", "must_not", "should")}
)


@settings(max_examples=300, deadline=None)
@given(_ODD_FILTER | _JSON)
def test_anything_is_a_filter_or_an_error_that_says_why(given_filter: Any) -> None:
    table = pa.Table.from_pylist([{"name": "a", "tags": ["a"], "price": 1.0, "stock": 1, "new": True}], schema=SCHEMA)
    try:
        assert mask_of(parse_filter(json.dumps(given_filter)), table).shape == (1,)
    except FilterError as error:
        said = error.message
    else:
        said = "it is a filter"
    assert said


def test_a_filter_survives_the_wire() -> None:
    wanted = parse_filter(
        '{"must": [{"field": "category", "in": ["a"]}], "should": [{"field": "p", "range": {"gt": 1}}]}'
    )
    assert Filter.model_validate_json(wanted.model_dump_json(by_alias=True, exclude_none=True)) == wanted
