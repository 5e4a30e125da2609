"""What is shown is shown as it stands, whatever signs are in it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cirray.cli.display import Display

ODD = "[/] [red]dress[/red] [bold"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_with_signs_of_markup_are_names(terminal: bool) -> None:
    written = io.StringIO()
    display = Display(Console(file=written, force_terminal=terminal, width=200, color_system=None))
    with display.step(ODD) as step:
        step(1, 2, ODD)
        display.say(ODD)
    assert written.getvalue().count(ODD) >= 2
    assert f"✓ {ODD} (" in written.getvalue()
