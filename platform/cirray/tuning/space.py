"""Search spaces: which settings of a recipe a sweep turns, and how far.

A space is a declaration, checked against the recipe before anything is run. A dial is named by the path of its
setting; one of a loss by the kind of the loss, `objective.batch-classification.scale`, whatever role the recipe gives
it, and counts where the recipe has such a loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from cirray.config import Config, from_mapping
from cirray.errors import ConfigError
from cirray.objectives import losses
from cirray.recipes import RunConfig
from cirray.registry import Registry
from cirray.tuning.domains import Around, Domain, Range, Value

OBJECTIVE = "objective"


class Space(Config):
    """What a sweep of one composer turns.

    Attributes:
        dials: where each setting may be turned to, by path.
    """

    dials: dict[str, Domain] = Field(min_length=1)


spaces: Registry[Space] = Registry("search space")
"""By the name of the composer; filled by the files of `tune_spaces`."""


@dataclass(frozen=True)
class Dial:
    """One setting of one recipe that a sweep turns.

    Attributes:
        paths: of the setting, usually one; a loss that plays two roles has two, turned together.
        domain: what it may be turned to.
        default: what the recipe has there.
    """

    paths: tuple[str, ...]
    domain: Range
    default: Value

    @property
    def name(self) -> str:
        """What the dial is called: the first of its paths."""
        return self.paths[0]


def register_space(*composers: str, dials: Mapping[str, Domain]) -> None:
    """File one space under the names of several composers."""
    for composer in composers:
        spaces.register(composer)(Space(dials=dict(dials)))


def dials_of(space: Space, config: RunConfig) -> dict[str, Dial]:
    """Return the dials that a space has for a recipe, by name.

    Raises:
        ConfigError: a path leads to no setting of the recipe, a range has no room for the recipe's own value, or none
            of the dials is the recipe's.
    """
    values = config.model_dump(mode="json")
    found = {dial.name: dial for dial in _resolved(space, config, values)}
    if not found:
        raise ConfigError(f"The search space has no dial that recipe {config.name} has a setting for.")
    return found


def turned(config: RunConfig, dials: Mapping[str, Dial], values: Mapping[str, Value]) -> RunConfig:
    """Return the run with its dials turned to `values`, by name; dials that these do not name stay.

    Raises:
        ConfigError: a value does not fit its setting.
    """
    tree = config.model_dump(mode="json")
    for name, value in values.items():
        for path in dials[name].paths:
            *parents, leaf = path.split(".")
            place = tree
            for parent in parents:
                place = place[_key(place, parent)]
            place[_key(place, leaf)] = value
    return from_mapping(RunConfig, tree)


def _resolved(space: Space, config: RunConfig, values: Mapping[str, Any]) -> Iterator[Dial]:
    for path, domain in space.dials.items():
        paths = _paths(path, config)
        if not paths:
            continue
        default = _value(values, paths[0])
        if isinstance(default, (dict, list)):
            raise ConfigError(f"{path} is not one setting of {config.name} but several: {default!r:.80}.")
        chosen: Range = domain.of(default) if isinstance(domain, Around) else domain
        if not chosen.holds(default):
            raise ConfigError(
                f"{config.name} has {path} = {default!r}, which its search space leaves out: {chosen!r}.",
                hint="Give a space of your own with --space FILE.",
            )
        yield Dial(tuple(paths), chosen, default)


def _paths(path: str, config: RunConfig) -> list[str]:
    """Return the paths of the settings that a declared path means: none where the recipe lacks the loss."""
    room, _, rest = path.partition(".")
    owner, _, setting = rest.partition(".")
    if room != OBJECTIVE or owner in config.objective or owner not in losses:
        return [path]
    if setting.split(".")[0] not in losses[owner].Config.model_fields:
        raise ConfigError(f"Loss {owner!r} has no setting {setting!r}.")
    return [f"{room}.{role}.{setting}" for role, loss in config.objective.items() if loss.name == owner]


def _value(values: Mapping[str, Any], path: str) -> Any:
    place: Any = values
    for part in path.split("."):
        try:
            place = place[_key(place, part)]
        except (KeyError, IndexError, TypeError, ValueError):
            known = ", ".join(place) if isinstance(place, Mapping) else "none inside it"
            raise ConfigError(f"There is no setting {path}: no {part!r}; there are: {known}.") from None
    return place


def _key(place: Any, part: str) -> Any:
    """Return what picks a part: its name, or its number in a list."""
    return int(part) if isinstance(place, list) else part
