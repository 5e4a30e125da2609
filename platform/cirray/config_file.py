"""Files of settings, in YAML or JSON."""

from __future__ import annotations

import json
from typing import Any

import yaml

from cirray.errors import ConfigError

MAX_VALUES = 100_000
"""Values in a file of settings."""


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
