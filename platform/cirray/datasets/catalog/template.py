"""Texts made of columns: "{baseColour} {gender} {articleType}"."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cirray.errors import ConfigError


@dataclass(frozen=True)
class Template:
    """A column, or a text with columns in braces. A plain substitution: nothing in it is evaluated.

    Attributes:
        text: as it was given.
        pieces: (text before, column or None), in turn.
    """

    text: str
    pieces: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Return the template that `text` is; without braces, it is the name of a column.

        Raises:
            ConfigError: a brace is not closed, or holds more than a name.
        """
        if "{" not in text and "}" not in text:
            return cls(text, (("", text),))
        try:
            pieces = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(f"The template {text!r} is not readable: {error}.", hint=_HINT) from None
        if any(column == "" or spec or conversion for _, column, spec, conversion in pieces):
            raise ConfigError(f"The template {text!r} has more or less than a column's name in braces.", hint=_HINT)
        return cls(text, tuple((before, column) for before, column, _, _ in pieces))

    @property
    def columns(self) -> list[str]:
        """The columns that it takes."""
        return [column for _, column in self.pieces if column is not None]

    def fill(self, columns: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the text of each row."""
        rows = len(next(iter(columns.values()), ()))
        parts: list[Sequence[str]] = []
        for before, column in self.pieces:
            if before:
                parts.append([before] * rows)
            if column is not None:
                parts.append(columns[column])
        return ["".join(row) for row in zip(*parts, strict=True)]


_HINT = 'Write columns in braces, such as "{colour} {type}", or the name of one column.'
