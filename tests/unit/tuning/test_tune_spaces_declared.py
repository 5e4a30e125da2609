"""Domains, and spaces made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cirray.config import from_mapping, override
from cirray.errors import ConfigError
from cirray.recipes import RunConfig, recipes
from cirray.tuning import Around, Integer, LogUniform, OneOf, Space, Uniform, dials_of, space_of, turned
from cirray.tuning.domains import Domain, rounded
from cirray.tuning.search import settled


def recipe(name: str = "css-2d/sac") -> RunConfig:
    return recipes[name]()


def space(**dials: Domain) -> Space:
    return Space(dials={path.replace("__", "."): domain for path, domain in dials.items()})


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(Uniform, 1.0, 1.0), (LogUniform, 2.0, 1.0), (LogUniform, 0.0, 1.0), (Integer, 3, 2)]
)
def test_an_empty_range_is_refused(kind: Any, low: float, high: float) -> None:
    with pytest.raises((ConfigError, ValidationError), match=r"holds no two values|greater than 0"):
        kind(low=low, high=high)


def test_true_is_no_number() -> None:
    assert not Integer(low=0, high=2).holds(True)
    assert not Uniform(low=0.0, high=2.0).holds(True)
    assert not OneOf(values=(1, 2)).holds(True)
    assert OneOf(values=(False, True)).holds(True)


@settings(deadline=None)
@given(st.floats(1e-12, 1e12), st.floats(1.1, 1e3))
def test_what_a_range_is_around_lies_in_it(default: float, factor: float) -> None:
    assert Around(factor=factor).of(default).holds(default)


@pytest.mark.parametrize("default", [0.0, -1.0, None, "adam", True])
def test_there_is_no_range_around_what_is_not_above_zero(default: float | str | bool | None) -> None:
    with pytest.raises(ConfigError, match="no number above zero"):
        Around(factor=2.0).of(default)


@settings(deadline=None)
@given(st.floats(0.1234567, 7.654321))
def test_a_settled_number_is_short_and_stays_in_its_range(value: float) -> None:
    config = recipe()
    dials = dials_of(space(training__learning_rate=LogUniform(low=0.00123456, high=7.654321)), config)
    found = settled(dials, {"training.learning_rate": value})["training.learning_rate"]
    assert isinstance(found, float)
    assert dials["training.learning_rate"].domain.holds(found)
    assert found in (rounded(value), 0.00123456, 7.654321)


def test_a_loss_is_addressed_by_its_kind_in_whatever_role_and_only_where_there_is_one() -> None:
    dials: dict[str, Domain] = {"objective.batch-classification.scale": Uniform(low=1.0, high=9.0)}
    assert dials_of(Space(dials={**dials, "training.warmup": Uniform(low=0.0, high=0.5)}), recipe()).keys() == {
        "training.warmup"
    }
    twice = override(
        recipe("css-2d/concat"),
        ['objective={"a": {"name": "batch-classification"}, "b": {"name": "batch-classification"}}'],
    )
    found = dials_of(Space(dials=dials), twice)
    assert found["objective.a.scale"].paths == ("objective.a.scale", "objective.b.scale")
    both = turned(twice, found, {"objective.a.scale": 2.5}).objective.values()
    assert [loss.model_dump()["scale"] for loss in both] == [2.5, 2.5]


def test_an_element_of_a_list_can_be_turned() -> None:
    dials = dials_of(space(model__composer__temperatures__1=Uniform(low=1.0, high=9.0)), recipe())
    config = turned(recipe(), dials, {"model.composer.temperatures.1": 2.0})
    assert config.model_dump()["model"]["composer"]["temperatures"] == (1.0, 2.0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("training.learning_speed", "no 'learning_speed'"),
        ("model.composer.temperatures.7", "no '7'"),
        ("model.composer.temperatures", "not one setting"),
        ("objective.sac-triplet.heat", "no setting 'heat'"),
        ("objective.no-such-loss.weight", "no 'no-such-loss'"),
    ],
)
def test_a_path_to_nothing_is_refused(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dials_of(Space(dials={path: Uniform(low=0.0, high=1.0)}), recipe())


def test_a_range_without_the_recipes_own_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves out"):
        dials_of(space(training__warmup=Uniform(low=0.5, high=0.9)), recipe())


def test_a_space_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "training.learning_rate: {kind: around, factor: 3.0}\n"
        "model.composer.composition: {kind: one-of, values: [offsetting, concat]}\n"
    )
    dials = dials_of(space_of(recipe(), str(file)), recipe())
    assert dials["training.learning_rate"].domain == LogUniform(low=rounded(5e-3 / 3), high=1.5e-2)
    assert dials["model.composer.composition"].default == "offsetting"


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ConfigError, match="kind"):
        from_mapping(Space, {"dials": {"training.warmup": {"kind": "beta", "low": 0}}})
