"""Aliases of models that remember how they were moved: by whom, when, why, and what the gate had found.

All of it is in the alias's own file, so that there is no moment at which an alias and its history differ.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from cirray.bundles.gate import Verdict
from cirray.config import Config
from cirray.errors import ConfigError
from cirray.storage import Alias, Root, read_alias_with_tag
from cirray.storage.alias import ALIAS_NAME

LIVE = "live"


class Move(Config):
    """One move of an alias.

    Attributes:
        id: of this move alone.
        action: whether it was a promotion or a rollback.
        version: that the alias points at since.
        before: that it pointed at until then; null for the first.
        at: when, in UTC.
        by: who moved it.
        reason: why, in their words.
        verdict: what the gate found; null for a rollback, and where the gate could not be asked.
        overruled: what the gate had against it, where it was forced.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    action: Literal["promote", "rollback"]
    version: str
    before: str | None
    at: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    by: str
    reason: str = ""
    verdict: Verdict | None = None
    overruled: str = ""


class PromotedAlias(Alias):
    """An alias with its history.

    Attributes:
        moves: all of them, the last being the one that made it what it is.
    """

    moves: tuple[Move, ...] = Field(min_length=1)

    @field_validator("moves")
    @classmethod
    def _led_here(cls, moves: tuple[Move, ...], info: ValidationInfo) -> tuple[Move, ...]:
        if (moves[-1].version, len(moves)) != (info.data.get("version"), info.data.get("generation")):
            raise ValueError("the moves are not those that led here")
        return moves

    @property
    def standing(self) -> list[str]:
        """The versions that rollbacks return to, one after another from the end; the present one is the last."""
        return standing(self.moves)


def standing(moves: Sequence[Move]) -> list[str]:
    """Return what is left when each promotion puts a version on a pile and each rollback takes off what was after."""
    pile: list[str] = []
    for move in moves:
        if move.action == "rollback":
            pile.pop()
            while pile and pile[-1] != move.version:
                pile.pop()
        else:
            pile.append(move.version)
    return pile


def read_promotions(root: Root, name: str, alias: str = LIVE) -> PromotedAlias | None:
    """Return an alias of the model `name` with its history, or None where nothing was ever promoted to it.

    Raises:
        ConfigError: the alias is none that models are promoted to.
        ArtifactError: the alias is corrupt, or none that promotions move.
        StorageError: it cannot be read.
    """
    found = read_promotions_with_tag(root, name, alias)
    return found[0] if found else None


def read_promotions_with_tag(root: Root, name: str, alias: str) -> tuple[PromotedAlias, str] | None:
    """Return the same with the tag by which it can be replaced.

    Raises:
        ConfigError: the alias is none that models are promoted to.
        ArtifactError: the alias is corrupt, or none that promotions move.
        StorageError: it cannot be read.
    """
    return read_alias_with_tag(root.model(name).place, _checked(alias), PromotedAlias)


def _checked(alias: str) -> str:
    if alias == "latest" or not ALIAS_NAME.fullmatch(alias):
        raise ConfigError(
            f"{alias!r} is no alias that models are promoted to.",
            hint="Use small letters, digits and '-', such as 'live' or 'staging'; training alone moves 'latest'.",
        )
    return alias
