"""The checkpoints of one run on the root: written, read, kept by policy, and cleared of what is damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cirray.errors import ArtifactError, ConfigError, MismatchError, StorageError
from cirray.recipes.keeping import KeepConfig
from cirray.storage import Artifact, Location
from cirray.storage.artifact import MANIFEST
from cirray.storage.leftovers import abort_uploads, begun_uploads
from cirray.training.checkpoint import KIND, VALIDATION, CheckpointDetails, Snapshot, save_checkpoint

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Checkpoints:
    """Where the checkpoints of one run are.

    One process writes at a time: who holds the run's lease. Whoever else is still writing cannot overwrite anything,
    since files carry their content's hash in their names and a manifest is created only once.

    Attributes:
        place: the folder that holds them, each in a folder of its own.
        run: name of the recipe.
        fingerprint: of the run; others' checkpoints are refused.
        keep: which are kept.
        bundle_metric: of the validation; the best epoch by it is kept besides, for the bundle. None where the bundle
            is made of the last epoch.
    """

    place: Location
    run: str
    fingerprint: str
    keep: KeepConfig
    bundle_metric: str | None = None

    def names(self) -> list[str]:
        """Return the names of those that were finished, in the order of the run."""
        return [name for name in self.place.folders() if (self.place / name / MANIFEST).exists()]

    def open(self, name: str) -> Artifact:
        """Return one of them.

        Raises:
            ArtifactError: its manifest cannot be read.
            MismatchError: it is of another run.
            StorageError: it cannot be read.
        """
        checkpoint = Artifact.open(self.place / name, KIND)
        manifest = checkpoint.manifest
        if manifest.fingerprint != self.fingerprint:
            raise MismatchError(
                f"The checkpoint {checkpoint.place} is of a run of {manifest.name} with fingerprint "
                f"{manifest.fingerprint}, not of this one of {self.run} with {self.fingerprint}.",
                hint=f"Move {self.place} away.",
            )
        return checkpoint

    def newest(self, read: Callable[[Artifact], T], say: Say) -> tuple[str, T] | None:
        """Return the name of the newest that is whole, and what `read` makes of it; None where there is none.

        A damaged one is told and removed, and the one before it is taken.

        Raises:
            MismatchError: one is of another run.
            StorageError: one cannot be read although it is there.
        """
        return self._first(list(reversed(self.names())), read, say)

    def best(self, read: Callable[[Artifact], T], say: Say) -> tuple[str, T] | None:
        """Return the same of the best epoch by `bundle_metric`; where that is damaged, of the best that is whole.

        Raises:
            MismatchError: one is of another run.
            StorageError: one cannot be read although it is there.
        """
        return self._first(self._for_bundle(self.names()), read, say)

    def _first(self, names: list[str], read: Callable[[Artifact], T], say: Say) -> tuple[str, T] | None:
        for name in names:
            try:
                return name, self._read(name, read)
            except MismatchError:
                raise
            except ArtifactError as error:
                say(f"checkpoint {name} is damaged, another is taken: {error}")
                self.remove(name)
        return None

    def save(self, snapshot: Snapshot, before_commit: Callable[[], None] = lambda: None) -> None:
        """Write a checkpoint, and then delete those that need not be kept any more.

        Args:
            snapshot: what it holds.
            before_commit: as in `save_checkpoint`.

        Raises:
            ConfigError: the metric that decides what is kept was not measured.
            StorageError: it cannot be written.
        """
        if self.keep.best and self._measures(snapshot) and self.keep.metric not in snapshot.metrics:
            raise ConfigError(
                f"training.keep.metric is {self.keep.metric!r}, which no epoch reports.",
                hint=f"Set it to one of: {', '.join(snapshot.metrics)}.",
            )
        save_checkpoint(self.place / snapshot.name, snapshot, self.run, self.fingerprint, before_commit)
        names = self.names()
        kept = {*names[-self.keep.last :], *self._best(names), *self._for_bundle(names)[:1]}
        for name in names:
            if name not in kept:
                self.remove(name)

    def remove(self, name: str) -> None:
        """Delete one of them: its manifest first, so that it is never half there."""
        (self.place / name / MANIFEST).delete()
        (self.place / name).delete()

    def sweep(self) -> None:
        """Delete what killed writers left: files of no finished checkpoint, and uploads that were never completed.

        Raises:
            MismatchError: a checkpoint is of another run.
            StorageError: something cannot be listed, read or deleted.
        """
        listed = set()
        for name in self.names():
            try:
                files = self.open(name).manifest.files
            except MismatchError:
                raise
            except ArtifactError:
                continue  # `newest` tells it
            listed |= {f"{name}/{MANIFEST}", *(f"{name}/{entry.path}" for entry in files)}
        for file in self.place.files():
            if file.path not in listed and not file.path.endswith(f"/{MANIFEST}"):
                (self.place / file.path).delete()
        abort_uploads(self.place, begun_uploads(self.place))

    def _read(self, name: str, read: Callable[[Artifact], T]) -> T:
        checkpoint = self.open(name)
        try:
            return read(checkpoint)
        except StorageError:
            # A file that is not there is damage; one that cannot be had now is not.
            for entry in checkpoint.manifest.files:
                if (size := (checkpoint.place / entry.path).size()) != entry.bytes:
                    state = "gone" if size is None else f"{size} bytes long, not {entry.bytes}"
                    raise checkpoint.corrupt(f"{entry.path} is {state}.") from None
            raise

    def _measures(self, snapshot: Snapshot) -> bool:
        """Return whether the epoch that ends here should have the metric: not every one need be validated."""
        if not self.keep.metric.startswith(VALIDATION):
            return bool(snapshot.metrics)
        return any(name.startswith(VALIDATION) for name in snapshot.metrics)

    def _best(self, names: list[str]) -> list[str]:
        if not self.keep.best:
            return []
        return self._ranked(names, self.keep.metric, self.keep.order == "max")[: self.keep.best]

    def _for_bundle(self, names: list[str]) -> list[str]:
        """Return those at the end of a validated epoch, the best first."""
        return self._ranked(names, f"{VALIDATION}{self.bundle_metric}", True) if self.bundle_metric else []

    def _ranked(self, names: list[str], metric: str, high: bool) -> list[str]:
        values = {}
        for name in names:
            try:
                metrics = self.open(name).details(CheckpointDetails).metrics
            except ArtifactError:
                continue  # no use to anybody
            if metric in metrics:
                values[name] = metrics[metric]
        # Of equals the earlier one comes first: the order of names is kept either way.
        return sorted(values, key=lambda name: values[name], reverse=high)
