"""The list of methods, for people and for programs."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

from cirray.composers import composers
from cirray.composers.card import IMAGE, TEXT, composer_card
from cirray.errors import UnknownNameError


def show_composers(pattern: str, as_json: bool) -> None:
    """Print the composers whose names match a shell pattern.

    Raises:
        UnknownNameError: none does.
    """
    names = sorted(composers.names(pattern))
    if not names:
        raise UnknownNameError(f"No composer's name matches {pattern!r}; there are: {', '.join(sorted(composers))}.")
    cards = [composer_card(name) for name in names]
    if as_json:
        print(json.dumps([card.model_dump(mode="json") for card in cards], indent=1))
        return
    level = IMAGE.maps[-1]
    table = Table(
        caption=f"Parameters: of the composer alone, at its defaults, on features of {level.channels}×{level.height}×"
        f"{level.width} (ResNet-18) and texts of {TEXT.sentence}."
    )
    for column in ("composer", "paper", "parameters", "needs", "explains"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for card in cards:
        count = "–" if card.parameters is None else f"{card.parameters / 1e6:.2f} M"
        paper = f"{card.authors} ({card.venue} {card.year})"
        table.add_row(card.name, paper, count, ", ".join(card.needs), ", ".join(card.explains) or "–")
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140)
    console.print(table)
