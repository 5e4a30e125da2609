"""Frozen, typed configuration, and `--set a.b=c` on top of it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from cirray.errors import ConfigError
from cirray.registry import Registry

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration object: frozen, strict about types, closed to unknown keys, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True, allow_inf_nan=False)


class Choice(Config):
    """Base of configurations that also choose what they configure: `name` is a name of a registry."""

    name: str

    def source_files(self) -> tuple[str, ...]:
        """Return paths and URIs of files that what is chosen starts from, those of choices within it left out."""
        return ()

    def packages(self) -> tuple[str, ...]:
        """Return the packages, besides those of every installation, that what is chosen is made of."""
        return ()


def choices_in(value: Any) -> Iterator[Choice]:
    """Yield all choices in a configuration, those within choices too."""
    if isinstance(value, Choice):
        yield value
    if isinstance(value, (Config, Mapping)):
        value = list(dict(value).values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from choices_in(each)


def chosen_from(registry: Registry[Any]) -> BeforeValidator:
    """Return a validator that reads a mapping as the `Config` of the registered class that it names.

    Annotate a field with it, `Annotated[SerializeAsAny[Choice], chosen_from(composers)]`, and each registered
    class brings its own settings without being listed anywhere.
    """

    return BeforeValidator(_ChosenFrom(registry))


@dataclass(frozen=True)
class _ChosenFrom:
    """The validator of a field that a registry's names choose the kind of."""

    registry: Registry[Any]

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if "name" not in value:
            raise ConfigError(f"A {self.registry.kind} needs a name; there are: {', '.join(self.registry)}.")
        try:
            return from_mapping(self.registry[str(value["name"])].Config, value)
        except ConfigError as error:
            raise ConfigError(f"In {self.registry.kind} {value['name']!r}: {error}") from None


def from_mapping(kind: type[C], values: Mapping[str, Any]) -> C:
    """Return the `kind` that `values` describe, nested as they come from JSON.

    Raises:
        ConfigError: a key is unknown or a value is of the wrong kind; the message names the key and, for an
            unknown one, the nearest that exist.
    """
    try:
        written = json.dumps(values)
    except (TypeError, ValueError, RecursionError) as error:
        # YAML has dates, sets, binary data and cycles, which JSON does not.
        raise ConfigError(
            f"A setting of {kind.__name__} is none that JSON can write: {error}.", hint="Put a date in quotes."
        ) from None
    try:
        return kind.model_validate_json(written)
    except ValidationError as error:
        raise ConfigError(_explain(kind, values, error)) from None


def override(config: C, assignments: Iterable[str]) -> C:
    """Return a copy of `config` with assignments such as "training.epochs=3" applied.

    Values are read as JSON, else as YAML, so that `3`, `1e-3`, `true`, `null`, `[1, 2]` and plain words mean what
    they look like. Where the name of a choice is set ("training.sampler.name=shuffle"), settings that the new one has
    too stay as they are, those that it does not have go, and all others have their defaults. Where something is set
    within what is null ("training.validation.split=val"), all else there has its default.

    Raises:
        ConfigError: an assignment has no "=", names a key that does not exist, or has a value of the wrong kind.
    """
    values = config.model_dump(mode="json")
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set takes KEY=VALUE, such as training.epochs=3; given was {assignment!r}.")
        value = _parse(key, text)
        *parents, leaf = key.strip().split(".")
        _assign(type(config), values, key.strip(), value)
        registry = _registry_in(_annotation_at(type(config), values, parents)) if leaf == "name" else None
        if registry is not None and isinstance(value, str) and value in registry:
            _choose_anew(values, parents, registry[value].Config)
    return from_mapping(type(config), values)


def _annotation_at(kind: Any, values: Any, path: Sequence[str]) -> Any:
    """Return how the setting at `path` is annotated in settings of a kind, or None where that is not known.

    Args:
        kind: a configuration.
        values: its settings, which say what is chosen where there is a choice.
        path: names from the outside in.
    """
    annotation = kind
    for name in path:
        model = _model_of(annotation, values)
        field = model.model_fields.get(name) if model is not None else None
        if field is not None:
            annotation = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
        values = values.get(name) if isinstance(values, Mapping) else None
    return annotation


def _model_of(annotation: Any, values: Any) -> type[BaseModel] | None:
    """Return which configuration `values` are of by their annotation; None where they are none, or one of several."""
    registry = _registry_in(annotation)
    if registry is not None:
        name = values.get("name") if isinstance(values, Mapping) else None
        return registry[name].Config if isinstance(name, str) and name in registry else None
    models = [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    return models[0] if len(models) == 1 else None


def _registry_in(annotation: Any) -> Registry[Any] | None:
    """Return the registry from which values so annotated are chosen, if they are."""
    validators = (part.func for part in _parts(annotation) if isinstance(part, BeforeValidator))
    return next((found.registry for found in validators if isinstance(found, _ChosenFrom)), None)


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union and what is said of them, or what is no union as it is."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _choose_anew(values: dict[str, Any], path: Sequence[str], kind: type[Config]) -> None:
    """Turn the settings at `path` into those of another kind."""
    place = values
    for parent in path:
        place = place[parent]
    known = _defaults(kind)
    kept = {key: value for key, value in place.items() if key in known}
    place.clear()
    place.update(known | kept)


def _defaults(kind: type[BaseModel]) -> dict[str, Any]:
    """Return all settings of a kind; those without a default are there too, so that an assignment can set them."""
    return dict.fromkeys(kind.model_fields) | kind.model_construct().model_dump(mode="json")


def _parse(key: str, text: str) -> Any:
    try:
        return json.loads(text)  # first, since YAML 1.1 takes 1e-3 for a word
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"The value of {key} is not readable as YAML: {text!r} ({error}).") from None


def _assign(kind: type[BaseModel], values: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = names = key.split(".")
    place: Any = values
    for depth, name in enumerate(names):
        inside = ".".join(names[:depth])
        if not isinstance(place, dict):
            raise ConfigError(f"There is no setting {key}: {inside} is a plain value ({place!r}).")
        if name not in place:
            raise ConfigError(_unknown_key(key, inside, name, place))
        if depth == len(parents):
            break
        if place[name] is None and (made := _model_of(_annotation_at(kind, values, names[: depth + 1]), None)):
            place[name] = _defaults(made)
        place = place[name]
    place[leaf] = value


def _unknown_key(key: str, inside: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    prefix = f"{inside}." if inside else ""
    listed = ", ".join(prefix + n for n in (near or names)) or "none"
    return f"There is no setting {key}; {'the nearest are' if near else 'there are'}: {listed}."


def _explain(kind: type[BaseModel], values: Mapping[str, Any], error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            inside, _, name = key.rpartition(".")
            lines.append(_unknown_key(key, inside, name, _fields_at(kind, values, inside)))
        else:
            given = "" if problem["type"] == "missing" else f" (given was {problem['input']!r})"
            lines.append(f"{key or kind.__name__}: {problem['msg']}{given}.")
    return " ".join(lines)


def _fields_at(kind: type[BaseModel], values: Mapping[str, Any], inside: str) -> list[str]:
    """Names of the fields of the model that sits at `inside`, as far as the annotations tell."""
    path = [*filter(None, inside.split("."))]
    model = _model_of(_annotation_at(kind, values, path), None)
    return list(model.model_fields) if model is not None else []
