"""What sweeps leave on the root: which trials were begun, how each ended, and what every run came to.

A trial that was begun is written down before it runs, and its outcome when it ends, so that a sweep whose driver was
killed takes up where it was. What a run came to is besides an artifact of its own, named by the run's fingerprint,
which every other sweep finds.
"""

from __future__ import annotations

from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from cirray.config import Config
from cirray.errors import ArtifactError
from cirray.storage import Artifact, Location, Manifest, Root, commit, conditional
from cirray.storage.artifact import MANIFEST
from cirray.storage.fingerprint import VERSION_LENGTH

C = TypeVar("C", bound=Config)

Ended = Literal["finished", "stopped", "failed"]
Measured = dict[str, float]


class Begun(Config):
    """A trial that was begun.

    Attributes:
        number: from 0, in the order of the beginnings.
        values: of its dials, by name.
        run: fingerprint of its run.
    """

    number: int
    values: dict[str, bool | int | float | str | None]
    run: str


class Outcome(Config):
    """How a trial ended.

    Attributes:
        ended: "finished" with its last epoch; "stopped" before that, because others were better; "failed" in a way
            that it would fail again.
        history: what was measured after each epoch, with its number, from 1, under "epoch".
        model: the bundle of a finished one, "name@version".
        reason: why it failed.
    """

    ended: Ended
    history: tuple[Measured, ...] = ()
    model: str = ""
    reason: str = ""


class Trial(Config):
    """A trial of a sweep, as far as it is known.

    Attributes:
        begun: its number, values and run.
        outcome: null while it has not ended.
    """

    begun: Begun
    outcome: Outcome | None = None


class RunDetails(Config):
    """What the artifact of a run tells.

    Attributes:
        history: what was measured after each epoch.
        model: the bundle of a finished run, "name@version"; empty for one that was stopped.
    """

    history: tuple[Measured, ...] = Field(min_length=1)
    model: str = ""


class Ledger:
    """What one sweep leaves."""

    def __init__(self, place: Location) -> None:
        self.place = place

    @classmethod
    def of(cls, root: Root, recipe: str, identity: str) -> Ledger:
        """Return the ledger of the sweep with a fingerprint."""
        return cls(root.sweeps(recipe) / identity[:VERSION_LENGTH])

    def trials(self) -> list[Trial]:
        """Return the trials that were begun, in their order.

        Raises:
            ArtifactError: a file is corrupt.
        """
        files = {file.path for file in self.place.files()}
        begun = [self._read(Begun, name) for name in sorted(files) if name.startswith("begun/")]
        return [
            Trial(begun=each, outcome=self._read(Outcome, name) if (name := _outcome(each.run)) in files else None)
            for each in sorted(begun, key=lambda each: each.number)
        ]

    def begin(self, begun: Begun) -> None:
        """Write down that a trial begins."""
        conditional.create(self.place / f"begun/{begun.number:05d}.json", begun.model_dump_json(indent=1).encode())

    def end(self, run: str, outcome: Outcome) -> None:
        """Write down how the trial of a run ended; the first to do so is right."""
        conditional.create(self.place / _outcome(run), outcome.model_dump_json(indent=1).encode())

    def outcome(self, run: str) -> Outcome | None:
        """Return how the trial of a run ended, or None."""
        name = _outcome(run)
        return self._read(Outcome, name) if (self.place / name).exists() else None

    def _read(self, kind: type[C], name: str) -> C:
        try:
            return kind.model_validate_json((self.place / name).read())
        except ValidationError as error:
            raise ArtifactError(
                f"The record {self.place / name} is corrupt.", hint="Delete it: the trial is then done again."
            ) from error


def record_run(root: Root, recipe: str, run: str, details: RunDetails, settings: dict[str, object]) -> None:
    """Keep what a run came to, for every sweep that meets the same run."""
    manifest = Manifest(
        kind="trial", name=recipe, fingerprint=run, settings=settings, details=details.model_dump(mode="json")
    )
    commit(_runs(root, recipe, run) / _reached(details), manifest)


def recorded_run(root: Root, recipe: str, run: str) -> RunDetails | None:
    """Return what a run came to in whichever sweep took it farthest, or None.

    Raises:
        ArtifactError: the record is corrupt.
    """
    place = _runs(root, recipe, run)
    reached = [name for name in place.folders() if (place / name / MANIFEST).exists()]
    return Artifact.open(place / max(reached), "trial").details(RunDetails) if reached else None


def _runs(root: Root, recipe: str, run: str) -> Location:
    return root.trials(recipe) / run[:VERSION_LENGTH]


def _reached(details: RunDetails) -> str:
    """Return the name of a record, which sorts after those of the same run that reach less far."""
    return f"epoch-{int(details.history[-1]['epoch']):05d}-{'finished' if details.model else 'begun'}"


def _outcome(run: str) -> str:
    return f"outcomes/{run[:VERSION_LENGTH]}.json"
