"""Ray Train around the training loop: any number of workers, checkpoints at the root, recovery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import Field
from ray.train import UserCallback

from cirray.bundles import BundleDetails
from cirray.datasets import PreparedDataset
from cirray.recipes import RunConfig
from cirray.storage import Artifact, Root
from cirray.storage.layout import CHECKPOINTS
from cirray.storage.lease import lease
from cirray.tracking import Following
from cirray.training.board import Heartbeat
from cirray.training.checkpoints import Checkpoints
from cirray.training.checks import check_run
from cirray.training.followed import following, points_of, protocol_name, run_folder
from cirray.training.held_out import with_held_out
from cirray.training.identity import run_fingerprint
from cirray.training.progress import EpochReport
from cirray.training.run import Run
from cirray.training.scaling import Scaling
from cirray.training.worker import Claim

_LOG = logging.getLogger(__name__)

LEASE = "lease.json"


class TrainingDetails(BundleDetails):
    """What the manifest of a bundle tells of its training.

    Attributes:
        history: of all epochs, at least one.
    """

    history: tuple[EpochReport, ...] = Field(min_length=1)


def train(
    root: Root,
    config: RunConfig,
    dataset: PreparedDataset,
    scaling: Scaling,
    on_heartbeat: Callable[[Heartbeat], None] = lambda heartbeat: None,
    on_said: Callable[[str], None] = _LOG.warning,
    *,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    callbacks: Sequence[UserCallback] = (),
    latest: bool = True,
) -> tuple[Artifact, bool]:
    """Train a model, or go on with a run that was interrupted; return its bundle and whether anything was trained.

    The run's name follows from its configuration, data and code, so that the same call after a crash of the driver
    takes up the last checkpoint, and after success returns at once.

    Args:
        root: where checkpoints and the bundle go.
        config: of the run; the dataset that it names gives way to `dataset`.
        dataset: prepared.
        scaling: workers.
        on_heartbeat: hears how far training is.
        on_said: hears what befalls the run: workers that died, checkpoints that were damaged, where it goes on from.
        on_epoch: hears what each epoch came to, once it is done.
        callbacks: that Ray Train's controller calls.
        latest: whether the bundle becomes the one that the model's name alone means.

    Raises:
        ConfigError: batch, loss, workers, validation, data and model do not go together, or a tracker's package is
            not installed.
        DataError: the data is not what the run needs.
        ClusterError: Ray cannot be reached or started.
        ConflictError: another process trains this very run.
        MismatchError: the run's folder holds checkpoints of another run.
        StorageError: the root cannot be written.
        TrainingError: the cluster is too small, or the run failed more often than it may.
        CirrayError: whatever else a worker met that is cirray's own.
    """
    config = config.model_copy(update={"dataset": dataset.name})
    identity = run_fingerprint(config, dataset, scaling)
    shelf = root.model(config.name)
    if finished := shelf.has(identity):
        bundle = Artifact.open(shelf.version(identity), shelf.kind)
    else:
        vocabulary = check_run(config, dataset, scaling)
        whole, folder = with_held_out(config, dataset), run_folder(root, config.name, identity)
        keep, bundle_metric = config.training.keep, config.training.bundle_metric
        checkpoints = Checkpoints(folder / CHECKPOINTS, config.name, identity, keep, bundle_metric)
        with (
            lease(folder / LEASE, say=on_said) as owner,
            following(config, whole, scaling, identity, folder, on_said) as followed,
        ):
            claim = Claim(folder / LEASE, owner)
            heard, said = _Heard(followed, protocol_name(config, whole), on_epoch), followed.said
            run = Run(config, dataset, scaling, folder, checkpoints, claim, on_heartbeat, heard, said, callbacks)
            bundle = run.to_bundle(shelf.version(identity), vocabulary)
    if latest:
        shelf.point_at(bundle.version)
    return bundle, not finished


@dataclass
class _Heard:
    """Hands the reports of epochs on: all of them to what follows the run, each new one to who asked for it.

    What it is given first was there before this driver. An epoch that was lost with its checkpoint and trained again
    is not handed on twice.

    Attributes:
        followed: what follows the run.
        protocol: name of the one that epochs are validated under.
        on_epoch: hears of each new epoch.
    """

    followed: Following
    protocol: str
    on_epoch: Callable[[EpochReport], None]
    _known: int | None = field(default=None, init=False)

    def __call__(self, history: Sequence[EpochReport]) -> None:
        self.followed.points(points_of(history, self.protocol))
        if self._known is not None:
            for report in history[self._known :]:
                self.on_epoch(report)
        self._known = max(self._known or 0, len(history))
