"""Bundles as they are written: by training, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import safetensors.torch

from cirray.bundles.description import DESCRIPTION, WEIGHTS, BundleDescription
from cirray.bundles.model_card import CARD, model_card
from cirray.composers import Retriever
from cirray.config import choices_in
from cirray.encoders import Vocabulary
from cirray.storage import Artifact, Location, Manifest, code_version, commit, library_versions, put_file


def save_bundle(
    place: Location,
    *,
    name: str,
    fingerprint: str,
    model: Retriever,
    vocabulary: Vocabulary,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    details: Mapping[str, Any],
) -> Artifact:
    """Write a bundle at `place`, with its model card, and return it.

    Args:
        place: of the version.
        name: of the model.
        fingerprint: of all that decided the weights.
        model: with its weights.
        vocabulary: that the texts were encoded with.
        inputs: fingerprints of what it was trained on, by role.
        settings: the run's whole configuration.
        details: provenance and metrics; those of `BundleDetails`, and what else its maker wants to keep.

    Raises:
        StorageError: it cannot be written.
    """
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    description = BundleDescription(model=model.config, vocabulary=vocabulary)
    files = (
        put_file(place, WEIGHTS, safetensors.torch.save(state)),
        put_file(place, DESCRIPTION, description.model_dump_json(indent=1).encode()),
    )
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    manifest = Manifest(
        kind="bundle",
        name=name,
        fingerprint=fingerprint,
        inputs=dict(inputs),
        settings=dict(settings),
        counts={"parameters": num_parameters, "words": len(vocabulary)},
        details={"code": code_version().model_dump(), **details},
        files=files,
        versions=library_versions(*(package for choice in choices_in(model.config) for package in choice.packages())),
    )
    # Before the manifest, so that no bundle is without its card.
    (place / CARD).write(model_card(Artifact(place, manifest), description, ()).encode())
    return commit(place, manifest)
