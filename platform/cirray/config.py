"""Frozen, typed configuration, and `--set a.b=c` on top of it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from cirray.errors import ConfigError
from cirray.registry import Registry

C = TypeVar("C", bound="Config")


MAX_VALUES = 100_000
"""Values in a file of settings."""


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


def parse_mapping(data: bytes, name: str) -> dict[str, Any]:
    """Return the settings in a YAML or JSON file, to be given to `from_mapping`.

    Args:
        data: content of the file.
        name: of the file, for messages.

    Raises:
        ConfigError: it is no YAML, or holds something else than settings by name.
    """
    try:
        values = yaml.safe_load(data)
        _check_size(values, name)
        # Dates, and mappings that hold themselves, are YAML but no settings.
        values = json.loads(json.dumps(values if values is not None else {}))
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name} is not readable as settings in YAML or JSON: {reason}.") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{name} holds no settings but {values!r:.80}.", hint="Write one a line, `setting: value`.")
    return values


def _check_size(values: Any, name: str) -> None:
    """Make sure that settings are few also where they are written out: YAML can refer to a list a billion times."""
    left, pending = MAX_VALUES, [values]
    while pending:
        value = pending.pop()
        left -= 1
        if left < 0:
            raise ConfigError(f"{name} holds more than {MAX_VALUES:,} settings, or refers to itself.")
        pending += [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []


def override(config: C, assignments: Iterable[str]) -> C:
    """Return a copy of `config` with assignments such as "training.epochs=3" applied.

    Values are read as JSON, else as YAML, so that `3`, `1e-3`, `true`, `null`, `[1, 2]` and plain words mean what
    they look like. Where the name of a choice is set ("training.sampler.name=shuffle"), settings that the new one has
    too stay as they are, those that it does not have go, and all others have their defaults.

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
        _assign(values, key.strip(), value)
        registry = _registry_of(config, parents) if leaf == "name" else None
        if registry is not None and isinstance(value, str) and value in registry:
            _choose_anew(values, parents, registry[value].Config)
    return from_mapping(type(config), values)


def _registry_of(config: BaseModel, path: Sequence[str]) -> Registry[Any] | None:
    """Return the registry from which the field at `path` is chosen, if it is."""
    place: Any = config
    for parent in path[:-1]:
        place = getattr(place, parent, None)
    field = type(place).model_fields.get(path[-1]) if path and isinstance(place, BaseModel) else None
    validators = (part.func for part in field.metadata if isinstance(part, BeforeValidator)) if field else ()
    return next((found.registry for found in validators if isinstance(found, _ChosenFrom)), None)


def _choose_anew(values: dict[str, Any], path: Sequence[str], kind: type[Config]) -> None:
    """Turn the settings at `path` into those of another kind."""
    place = values
    for parent in path:
        place = place[parent]
    # Those without a default are there too, so that another assignment can set them.
    known = dict.fromkeys(kind.model_fields) | kind.model_construct().model_dump(mode="json")
    kept = {key: value for key, value in place.items() if key in known}
    place.clear()
    place.update(known | kept)


def _parse(key: str, text: str) -> Any:
    try:
        return json.loads(text)  # first, since YAML 1.1 takes 1e-3 for a word
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"The value of {key} is not readable as YAML: {text!r} ({error}).") from None


def _assign(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    place: Any = values
    for depth, parent in enumerate([*parents, leaf]):
        if not isinstance(place, dict):
            inner = ".".join(key.split(".")[:depth])
            raise ConfigError(f"There is no setting {key}: {inner} is a plain value ({place!r}).")
        if parent not in place:
            raise ConfigError(_unknown_key(key, ".".join(key.split(".")[:depth]), parent, place))
        if depth < len(parents):
            place = place[parent]
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
    model: Any = kind
    for part in filter(None, inside.split(".")):
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return list(model.model_fields)
