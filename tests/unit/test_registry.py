"""The registry: names in, things out, and an error that helps."""

from __future__ import annotations

import pytest

from cirray.errors import UnknownNameError
from cirray.registry import Registry


def colours() -> Registry[int]:
    registry: Registry[int] = Registry("colour")
    registry.register("red")(1)
    registry.register("dark-red")(2)
    registry.register("blue")(3)
    return registry


def test_what_was_registered_is_found() -> None:
    registry = colours()
    assert (registry["red"], registry["blue"], len(registry)) == (1, 3, 3)
    assert "red" in registry
    assert "green" not in registry


def test_names_keep_the_order_of_registration_and_match_patterns() -> None:
    assert list(colours()) == ["red", "dark-red", "blue"]
    assert colours().names("*red") == ["red", "dark-red"]


def test_an_unknown_name_lists_all_and_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no colour 'blu'; there are: blue, dark-red, red\..*'blue'"):
        colours()["blu"]


def test_a_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'red' is registered twice"):
        colours().register("red")(4)
