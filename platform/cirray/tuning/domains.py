"""Where a dial may be turned to: ranges and sets of values, written down as plain settings."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from cirray.config import Config
from cirray.errors import ConfigError

C = TypeVar("C", bound=Config)

Value = bool | int | float | str | None
"""What a dial is set to."""

DIGITS = 3
"""Significant digits of a drawn number: enough for every dial, and short to read and to type again."""


class Uniform(Config):
    """Any number from `low` to `high`, each as likely."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        return _ordered(self, self.low, self.high)

    def holds(self, value: Value) -> bool:
        """Return whether the value can be drawn."""
        return _is_number(value) and self.low <= float(value or 0) <= self.high


class LogUniform(Config):
    """Any number from `low`, above zero, to `high`, each order of magnitude as likely."""

    kind: Literal["log-uniform"] = "log-uniform"
    low: float = Field(gt=0)
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> LogUniform:
        return _ordered(self, self.low, self.high)

    def holds(self, value: Value) -> bool:
        """Return whether the value can be drawn."""
        return _is_number(value) and self.low <= float(value or 0) <= self.high


class Integer(Config):
    """Any whole number from `low` to `high`, both included."""

    kind: Literal["integer"] = "integer"
    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Integer:
        return _ordered(self, self.low, self.high)

    def holds(self, value: Value) -> bool:
        """Return whether the value can be drawn."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class OneOf(Config):
    """One of some values, without an order among them."""

    kind: Literal["one-of"] = "one-of"
    values: tuple[bool | int | float | str | None, ...] = Field(min_length=2)

    def holds(self, value: Value) -> bool:
        """Return whether the value can be drawn."""
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in self.values)


class Around(Config):
    """From the recipe's own value divided by `factor` to that times `factor`, each order of magnitude as likely."""

    kind: Literal["around"] = "around"
    factor: float = Field(gt=1)

    def of(self, default: Value) -> LogUniform:
        """Return the range around a recipe's own value.

        Raises:
            ConfigError: the value is no number above zero.
        """
        if not _is_number(default) or float(default or 0) <= 0:
            raise ConfigError(f"There is no range around {default!r}, which is no number above zero.")
        # Rounded outwards in the last digits, so that the value itself always lies inside.
        return LogUniform(
            low=rounded(float(default or 0) / self.factor), high=rounded(float(default or 0) * self.factor)
        )


Domain = Annotated[Uniform | LogUniform | Integer | OneOf | Around, Field(discriminator="kind")]
"""Any of them, as a space declares it."""

Range = Uniform | LogUniform | Integer | OneOf
"""Any of them, once it is known what it is around."""


def rounded(value: float) -> float:
    """Return the nearest number of `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _ordered(domain: C, low: float, high: float) -> C:
    if low >= high:
        raise ConfigError(
            f"The range from {low:g} to {high:g} holds no two values.", hint="Give the lower end first."
        )
    return domain
