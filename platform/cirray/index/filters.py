"""Which items a search may find: conditions on their columns, as a request writes them, and as a mask of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, PlainValidator, ValidationError, model_validator

from cirray.config import Config
from cirray.errors import FilterError
from cirray.index.ranking import Mask

MAX_CONDITIONS = 32
MAX_VALUES = 1000
"""Of all conditions of a filter together."""

MAX_VALUE_CHARS = 512

Value: TypeAlias = str | int | float | bool


def _checked_value(value: Any) -> Value:
    if isinstance(value, str):
        if len(value) > MAX_VALUE_CHARS:
            raise ValueError(f"A value has at most {MAX_VALUE_CHARS} characters; this one has {len(value)}.")
        if not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("A value has half of a surrogate pair, which is no character.")
        return value
    return _checked_number(value) if not isinstance(value, bool) else value


def _checked_number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"A number is needed here; given was a value of type {type(value).__name__}.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Whole numbers must fit into 64 bits.")
    if not math.isfinite(value):
        raise ValueError("NaN and infinity can be compared with nothing.")
    return value


class Range(Config):
    """Bounds of a number; all that are given must hold.

    Attributes:
        gt: above this.
        gte: this or above.
        lt: below this.
        lte: this or below.
    """

    gt: Annotated[int | float, PlainValidator(_checked_number, json_schema_input_type=float)] | None = None
    gte: Annotated[int | float, PlainValidator(_checked_number, json_schema_input_type=float)] | None = None
    lt: Annotated[int | float, PlainValidator(_checked_number, json_schema_input_type=float)] | None = None
    lte: Annotated[int | float, PlainValidator(_checked_number, json_schema_input_type=float)] | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Range:
        if not self.model_dump(exclude_none=True):
            raise ValueError("A range has at least one of gt, gte, lt and lte.")
        return self


class Condition(Config):
    """One field, and what it must be: exactly one of `in` and `range`.

    Attributes:
        field: name of a column of the items.
        among: as `in`: values, one of which the field must have; of a field with several values, one must be among
            them.
        range: bounds, for fields that are numbers.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["in"]}, {"required": ["range"]}]})

    field: str = Field(min_length=1, max_length=128)
    among: list[Annotated[Value, PlainValidator(_checked_value, json_schema_input_type=Value)]] | None = Field(
        default=None, alias="in", min_length=1, max_length=MAX_VALUES
    )
    range: Range | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Condition:
        if (self.among is None) == (self.range is None):
            raise ValueError("A condition has exactly one of in and range.")
        return self


class Filter(Config):
    """Conditions on items. An empty filter lets every item pass.

    Attributes:
        must: all of these hold.
        must_not: none of these holds.
        should: at least one of these holds, where there are any.
    """

    must: list[Condition] = Field(default_factory=list, max_length=MAX_CONDITIONS)
    must_not: list[Condition] = Field(default_factory=list, max_length=MAX_CONDITIONS)
    should: list[Condition] = Field(default_factory=list, max_length=MAX_CONDITIONS)

    @model_validator(mode="after")
    def _within_limits(self) -> Filter:
        conditions = [condition for _, condition in self.conditions()]
        if len(conditions) > MAX_CONDITIONS:
            raise ValueError(f"A filter has at most {MAX_CONDITIONS} conditions; this one has {len(conditions)}.")
        values = sum(len(condition.among or ()) for condition in conditions)
        if values > MAX_VALUES:
            raise ValueError(f"A filter has at most {MAX_VALUES} values; this one has {values}.")
        return self

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Yield each condition with its place, as a JSON pointer within the filter."""
        for name, listed in (("must", self.must), ("must_not", self.must_not), ("should", self.should)):
            for number, condition in enumerate(listed):
                yield f"/{name}/{number}", condition


def parse_filter(text: str) -> Filter:
    """Return the filter that a JSON text describes.

    Raises:
        FilterError: it describes none.
    """
    try:
        return Filter.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = "".join(f"/{part}" for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        raise FilterError(f"The filter cannot be read: {message}", pointer=place[:200]) from None


def check_filter(wanted: Filter, schema: pa.Schema) -> None:
    """Make sure that every condition can be put to a table of this schema.

    Raises:
        FilterError: there is no such field, or its values are of another type; the message names those there are.
    """
    for place, condition in wanted.conditions():
        if condition.field not in schema.names:
            listed = ", ".join(f"{field.name} ({_spoken(field.type)})" for field in schema)
            raise FilterError(
                f"Items have no field {condition.field!r}; they have: {listed}.", pointer=f"{place}/field"
            )
        kind = _values(schema.field(condition.field).type)
        if condition.range is not None and not _is_number(kind):
            raise FilterError(
                f"Field {condition.field!r} is {_spoken(schema.field(condition.field).type)}, and has no range.",
                hint="Ask for values with in.",
                pointer=f"{place}/range",
            )
        for number, value in enumerate(condition.among or ()):
            if not _fits(value, kind):
                raise FilterError(
                    f"Field {condition.field!r} is {_spoken(schema.field(condition.field).type)}; "
                    f"a value of type {type(value).__name__} is none of it.",
                    pointer=f"{place}/in/{number}",
                )


def mask_of(wanted: Filter, table: pa.Table) -> Mask:
    """Return which rows of a table pass, (N,) bool.

    Raises:
        FilterError: as `check_filter`.
    """
    check_filter(wanted, table.schema)
    passing = np.ones(table.num_rows, dtype=bool)
    for condition in wanted.must:
        passing &= _holds(condition, table)
    for condition in wanted.must_not:
        passing &= ~_holds(condition, table)
    if wanted.should:
        passing &= np.any([_holds(condition, table) for condition in wanted.should], axis=0)
    return passing


def _holds(condition: Condition, table: pa.Table) -> Mask:
    """Return for each row whether the condition holds; where the field is empty it does not."""
    chunks = table[condition.field]
    column = chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
    if not pa.types.is_list(column.type):
        return _each(condition, column)
    holds = np.zeros(len(column), dtype=bool)
    inner = _each(condition, pc.list_flatten(column))
    holds[pc.list_parent_indices(column).to_numpy(zero_copy_only=False)[inner]] = True
    return holds


def _each(condition: Condition, values: pa.Array) -> Mask:
    if condition.among is not None:
        return _mask(pc.is_in(*_comparable(values, condition.among)))
    holds = np.ones(len(values), dtype=bool)
    for name, bound in (condition.range.model_dump(exclude_none=True) if condition.range else {}).items():
        holds &= _mask(_COMPARE[name](values, pa.scalar(bound)))
    return holds


_COMPARE = {"gt": pc.greater, "gte": pc.greater_equal, "lt": pc.less, "lte": pc.less_equal}


def _comparable(values: pa.Array, among: list[Value]) -> tuple[pa.Array, pa.Array]:
    """Return both as arrays of one type; numbers as float64 unless all are whole."""
    if not _is_number(values.type):
        return values, pa.array(among, values.type)
    whole = pa.types.is_integer(values.type) and all(isinstance(value, int) for value in among)
    kind = pa.int64() if whole else pa.float64()
    return pc.cast(values, kind, safe=False), pa.array(among, kind)


def _mask(holds: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(holds, False).to_numpy(zero_copy_only=False), dtype=bool)


def _values(kind: pa.DataType) -> pa.DataType:
    """Return the type of a field's values, one by one."""
    return kind.value_type if pa.types.is_list(kind) else kind


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _fits(value: Value, kind: pa.DataType) -> bool:
    if pa.types.is_string(kind):
        return isinstance(value, str)
    if pa.types.is_boolean(kind):
        return isinstance(value, bool)
    return _is_number(kind) and isinstance(value, int | float) and not isinstance(value, bool)


def _spoken(kind: pa.DataType) -> str:
    """Return how a person calls the type of a field."""
    value = _values(kind)
    name = "number" if _is_number(value) else {"string": "text", "bool": "true or false"}.get(str(value), str(value))
    return f"list of {name}" if pa.types.is_list(kind) else name
