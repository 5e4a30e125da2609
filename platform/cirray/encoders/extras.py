"""Packages that only some encoders need, and that are installed by an extra of cirray."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from cirray.errors import ConfigError


def import_extra(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Return a module that one of the extras in pyproject.toml brings.

    Args:
        module: its name.
        extra: which extra.
        wanted_by: what needs it, for the message ("Image encoder 'timm'").

    Raises:
        ConfigError: it is not installed, or does not import.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"{wanted_by} needs the package {module!r}, which cannot be imported: {error}.",
            hint=f"Install it: pip install 'cirray[{extra}]', or in a checkout: pip install --editable '.[{extra}]'.",
        ) from None
