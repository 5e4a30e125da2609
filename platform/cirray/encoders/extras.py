"""Packages that not every installation has."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from cirray.errors import ConfigError


def optional(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Return a module of a package that comes with an extra.

    Args:
        module: to import.
        extra: of cirray that installs it.
        wanted_by: what needs it, for the message ("Text encoder 'open-clip'").

    Raises:
        ConfigError: the package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{wanted_by} needs the package {error.name}, which is not installed.",
            hint=f"Install it: pip install 'cirray[{extra}]'.",
        ) from None
