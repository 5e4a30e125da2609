"""What there is to know of a composer before one chooses it."""

from __future__ import annotations

import inspect

import torch

from cirray.composers.composer import composers
from cirray.config import Config
from cirray.encoders import ImageShape, MapShape, TextShape
from cirray.errors import ConfigError

IMAGE = ImageShape((MapShape(64, 56, 56), MapShape(128, 28, 28), MapShape(256, 14, 14), MapShape(512, 7, 7)), 512)
"""Features of a ResNet-18 at 224×224 pixels, for which parameters are counted."""

TEXT = TextShape(words=512, states=512, sentence=512)
"""Features of TIRG's LSTM, likewise."""


class ComposerCard(Config):
    """A composer in words and numbers.

    Attributes:
        name: in the registry.
        summary: in one sentence.
        authors: of the paper.
        title: of the paper.
        venue: of the paper.
        year: of the paper.
        parameters: weights of the composer alone, by its defaults, on features of a ResNet-18 and an LSTM of 512;
            null where it does not fit these.
        needs: what it needs, in words.
        explains: maps that it can show.
        settings: names of its settings.
    """

    name: str
    summary: str
    authors: str
    title: str
    venue: str
    year: int
    parameters: int | None
    needs: tuple[str, ...]
    explains: tuple[str, ...]
    settings: tuple[str, ...]


def composer_card(name: str) -> ComposerCard:
    """Return the card of a registered composer.

    Raises:
        UnknownNameError: there is no such composer.
    """
    kind = composers[name]
    inputs = (("a reference", kind.uses_reference), ("a text", kind.uses_text))
    reranks = ("a first stage: it re-ranks",) if kind.rescores else ()
    return ComposerCard(
        name=name,
        summary=(inspect.getdoc(kind) or "").splitlines()[0],
        authors=kind.paper.authors,
        title=kind.paper.title,
        venue=kind.paper.venue,
        year=kind.paper.year,
        parameters=_parameters(name),
        needs=(*(what for what, used in inputs if used), *kind.needs, *reranks),
        explains=kind.explains,
        settings=tuple(field for field in kind.Config.model_fields if field != "name"),
    )


def _parameters(name: str) -> int | None:
    kind = composers[name]
    try:
        with torch.device("meta"):
            return sum(weight.numel() for weight in kind(kind.Config(name=name), IMAGE, TEXT).parameters())
    except ConfigError:
        return None
