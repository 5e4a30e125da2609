"""What is the same in all verbs: the root that they work on, where progress is told, how a result is printed.

What they need is imported when it is called for, so that `--help` is there at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cirray.cli.display import Display
    from cirray.storage import Root


def open_root(uri: str, *, create: bool = False) -> Root:
    """Return the root at a path or URI."""
    from cirray.storage import Root

    return Root.open(uri, create=create)


def open_display() -> Display:
    """Return what progress is told on: the terminal, or the log."""
    from cirray.cli.display import Display

    return Display.stderr()


def show(result: dict[str, Any], as_json: bool) -> None:
    """Print a result, for people or for programs."""
    if as_json:
        print(json.dumps(result, indent=1))
        return
    for key, value in result.items():
        print(f"{key}: {_plain(value)}")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items()) or "none"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
