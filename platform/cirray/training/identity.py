"""Which run it is: the fingerprint of all that decides a run's weights."""

from __future__ import annotations

from cirray.config import choices_in
from cirray.datasets import PreparedDataset
from cirray.recipes import RunConfig
from cirray.storage import code_fingerprint, content_hashes, fingerprint, library_versions
from cirray.training.scaling import Scaling

DECIDING_CODE = (
    "cirray.batches",
    "cirray.composers",
    "cirray.datasets.caption_pairs",
    "cirray.datasets.fitting",
    "cirray.datasets.pictures",
    "cirray.datasets.pixels",
    "cirray.datasets.schema",
    "cirray.datasets.streaming",
    "cirray.encoders",
    "cirray.objectives",
    "cirray.training",
)
"""What decides the weights that a configuration leads to: after a change there, a run is another run."""

NO_MATTER = {"pixels", "checkpoint_every_steps", "keep", "divergence_factor", "divergence_steps", "tracking"}
"""Settings of training that no weight depends on: a run may go on with others."""

_OF_EACH_WORKER = ("worker", "micro-batch")
"""Batch statistics that depend on how many workers share a batch."""

_ALWAYS = ("cirray", "torch", "torchvision")


def run_fingerprint(config: RunConfig, dataset: PreparedDataset, scaling: Scaling) -> str:
    """Return the fingerprint of all that decides a run's weights.

    Files of weights and word vectors count by what is in them, and by where they are. The number of workers counts
    only where batch statistics are each worker's own: otherwise they do together what one does, and a run may go on
    with more or fewer of them. The kind of device counts, since a GPU computes in other digits.
    """
    choices = list(choices_in(config))
    extras = [package for choice in choices for package in choice.packages()]
    versions = library_versions(*extras)
    return fingerprint(
        {
            "config": config.model_dump(mode="json", exclude={"training": NO_MATTER}),
            "dataset": dataset.fingerprint,
            "files": content_hashes(file for choice in choices for file in choice.source_files()),
            "workers": scaling.workers if config.training.batch_statistics in _OF_EACH_WORKER else None,
            "gpu": scaling.gpu,
            "versions": {name: versions[name] for name in (*_ALWAYS, *extras) if name in versions},
            "code": code_fingerprint(*DECIDING_CODE),
        }
    )
