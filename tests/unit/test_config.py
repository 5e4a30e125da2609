"""Configuration: frozen, strict, and errors that name the key and the nearest valid ones."""

from __future__ import annotations

import json
from random import Random
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SerializeAsAny, ValidationError

from cirray.config import Choice, Config, chosen_from, from_mapping, override
from cirray.errors import ConfigError, UnknownNameError
from cirray.registry import Registry

shapes: Registry[type] = Registry("shape")


@shapes.register("square")
class Square:
    class Config(Choice):
        name: Literal["square"] = "square"
        side: float = 1.0
        colour: str = "black"


@shapes.register("circle")
class Circle:
    class Config(Choice):
        name: Literal["circle"] = "circle"
        radius: float = 1.0
        colour: str = "black"


@shapes.register("ring")
class Ring:
    class Config(Choice):
        name: Literal["ring"] = "ring"
        width: float


class Check(Config):
    split: str = "val"
    every: int = Field(1, ge=1)
    patience: int | None = None


@shapes.register("cell")
class Cell:
    class Config(Choice):
        name: Literal["cell"] = "cell"
        check: Check | None = None


class Training(Config):
    epochs: int = 1
    rate: float = 0.1
    widths: tuple[int, ...] = (1, 2)
    clip: float | None = 1.0


class Run(Config):
    name: str = "run"
    training: Training = Training()
    shape: Annotated[SerializeAsAny[Choice], chosen_from(shapes)] = Square.Config()


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("training.epochs=3", {"training": {"epochs": 3}}),
        ("training.rate=1e-3", {"training": {"rate": 0.001}}),
        ("training.rate=2", {"training": {"rate": 2.0}}),
        ("training.widths=[4, 5, 6]", {"training": {"widths": [4, 5, 6]}}),
        ("training.clip=null", {"training": {"clip": None}}),
        ("name=other=thing", {"name": "other=thing"}),
        ("shape.side=2.5", {"shape": {"side": 2.5}}),
    ],
)
def test_an_assignment_changes_its_key_and_nothing_else(assignment: str, changed: dict[str, object]) -> None:
    expected = Run().model_dump(mode="json")
    for key, value in changed.items():
        expected[key] = {**expected[key], **value} if isinstance(value, dict) else value
    assert override(Run(), [assignment]).model_dump(mode="json") == expected


def test_later_assignments_win() -> None:
    assert override(Run(), ["training.epochs=3", "training.epochs=5"]).training.epochs == 5


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("training.epoch=3", ["training.epoch", "training.epochs"]),
        ("trainin.epochs=3", ["trainin.epochs", "training"]),
        ("training.epochs=three", ["training.epochs", "integer", "three"]),
        ("training.epochs=1.5", ["training.epochs", "1.5"]),
        ("training.epochs=true", ["training.epochs", "True"]),
        ("name=3", ["name", "string", "3"]),
        ("name.first=3", ["name.first", "plain value"]),
        ("training.epochs", ["KEY=VALUE", "training.epochs"]),
        ("=3", ["KEY=VALUE"]),
        ("training.widths=[1, {]", ["training.widths", "YAML"]),
        ("shape.sides=2", ["shape.sides", "shape.side"]),
        ("shape.side=wide", ["square", "side", "wide"]),
        ("name=2024-01-01", ["JSON", "date", "quotes"]),
        ("name=2024-13-45", ["name", "YAML", "2024-13-45"]),
        ("name=!!set {a, b}", ["JSON", "set"]),
        ("name=!!binary aGk=", ["JSON", "bytes"]),
        ("training.widths=&a [*a]", ["JSON", "ircular"]),
        ("training.rate=.inf", ["training.rate", "finite"]),
        ("training.rate=NaN", ["training.rate", "finite"]),
        ("training.rate=-Infinity", ["training.rate", "finite"]),
        ("shape.side=.nan", ["side", "finite"]),
    ],
)
def test_a_bad_assignment_names_the_key_and_the_way_out(assignment: str, says: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        override(Run(), [assignment])
    for words in says:
        assert words in str(caught.value)


def test_unknown_keys_inside_a_mapping_are_named_with_their_path() -> None:
    with pytest.raises(ConfigError, match=r"training\.epochz.*training\.epochs"):
        from_mapping(Run, {"training": {"epochz": 3}})


def test_a_choice_is_read_as_the_configuration_of_what_it_names() -> None:
    run = from_mapping(Run, {"shape": {"name": "circle", "radius": 3.0}})
    assert run.shape == Circle.Config(radius=3.0)
    assert Run.model_validate_json(run.model_dump_json()) == run


def test_an_unknown_choice_lists_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match=r"no shape 'cirle'.*circle, ring, square.*Did you mean 'circle'"):
        from_mapping(Run, {"shape": {"name": "cirle"}})


def test_a_choice_without_a_name_lists_what_there_is() -> None:
    with pytest.raises(ConfigError, match="square, circle"):
        from_mapping(Run, {"shape": {"side": 3.0}})


def test_configurations_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Run().name = "other"  # type: ignore[misc]


def test_another_choice_has_the_settings_of_its_own_kind() -> None:
    """Those that both have stay, those of the first alone go, and those of the second can be set at once."""
    run = Run(shape=Square.Config(side=2.0, colour="red"))
    assert override(run, ["shape.name=circle"]).shape == Circle.Config(colour="red")
    assert override(run, ["shape.name=circle", "shape.radius=3"]).shape == Circle.Config(radius=3.0, colour="red")
    assert override(run, ["shape.name=square"]) == run
    ring = override(run, ["shape.name=ring", "shape.width=2"]).shape
    assert ring == Ring.Config(width=2.0)
    with pytest.raises(ConfigError, match=r"shape 'ring'.*width"):
        override(run, ["shape.name=ring"])
    with pytest.raises(ConfigError, match=r"no setting shape\.side"):
        override(run, ["shape.name=circle", "shape.side=3"])
    with pytest.raises(UnknownNameError, match="no shape 'cube'"):
        override(run, ["shape.name=cube"])


class Guard(Config):
    check: Check | None = None
    shape: Annotated[SerializeAsAny[Choice], chosen_from(shapes)] | None = None
    limit: int


class Guarded(Config):
    guard: Guard | None = None
    guards: dict[str, Guard] = Field(default_factory=dict)
    either: Check | Guard | None = None


CHECKS = st.fixed_dictionaries(
    {},
    optional={
        "split": st.sampled_from(["val", "dev", "a word"]),
        "every": st.integers(1, 9),
        "patience": st.none() | st.integers(),
    },
)


@given(CHECKS.filter(bool), st.randoms(use_true_random=False))
def test_setting_parts_of_what_is_null_is_setting_it_whole(values: dict[str, object], random: Random) -> None:
    parts = [f"guard.check.{name}={json.dumps(value)}" for name, value in values.items()]
    parts.append("guard.limit=3")
    random.shuffle(parts)
    whole = override(Guarded(), [f"guard={json.dumps({'limit': 3, 'check': values})}"])
    assert override(Guarded(), parts) == whole
    assert whole.guard == Guard(limit=3, check=Check.model_validate(values))


def test_only_what_is_known_is_made_of_null() -> None:
    within = Guarded(guards={"one": Guard(limit=1)})
    assert override(within, ["guards.one.check.every=4"]).guards["one"].check == Check(every=4)
    assert override(within, ["guards.one.check.every=4", "guards.one.check=null"]) == within
    for assignment, says in (
        ("guard.check.evry=2", r"no setting guard\.check\.evry; the nearest are: guard\.check\.every"),
        ("guard.check.every=2", r"guard\.limit"),
        ("guard.check.every=0", r"guard\.check\.every.*greater than or equal to 1"),
        ("guards.one.shape.side=2", r"guards\.one\.shape is a plain value \(None\)"),
        ("either.every=2", r"either is a plain value \(None\)"),
        ("guard.check.patience.more=2", r"guard\.check\.patience is a plain value \(None\)"),
    ):
        with pytest.raises(ConfigError, match=says):
            override(within, [assignment])
    chosen = override(
        within, ["guards.one.shape={name: circle}", "guards.one.shape.name=ring", "guards.one.shape.width=2"]
    )
    assert chosen.guards["one"].shape == Ring.Config(width=2.0)


def test_what_is_null_within_another_choice_is_made_too() -> None:
    run = override(Run(), ["shape.name=cell", "shape.check.split=dev"])
    assert run.shape == Cell.Config(check=Check(split="dev"))
