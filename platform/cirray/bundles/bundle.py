"""The model bundle: weights together with all that is needed to use them rightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import ValidationError
from torch import Tensor

from cirray.bundles.description import DESCRIPTION, WEIGHTS, BundleDescription
from cirray.composers import Retriever
from cirray.datasets.fitting import Fit
from cirray.datasets.pictures import Pixels, decode, to_pixels
from cirray.datasets.schema import has_words
from cirray.encoders import Vocabulary, no_initial_weights
from cirray.errors import ArtifactError, CirrayError, ConfigError, QueryError
from cirray.evaluation.scores import Scorer
from cirray.exact import Floats
from cirray.storage import Artifact, Location

BATCH = 256


@dataclass(frozen=True)
class Bundle:
    """A trained model, ready to embed galleries and compose queries on the CPU."""

    artifact: Artifact
    model: Retriever
    vocabulary: Vocabulary

    @classmethod
    def open(cls, artifact: Artifact) -> Bundle:
        """Return the model that `artifact` holds.

        Raises:
            ArtifactError: its files are not what the manifest says, or do not fit together.
        """
        try:
            description = BundleDescription.model_validate_json(artifact.read(DESCRIPTION))
            with no_initial_weights():
                model = Retriever(description.model, description.vocabulary)
            _load(model, safetensors.torch.load(artifact.read(WEIGHTS)), description.vocabulary)
        except ArtifactError:
            raise
        except (ValidationError, CirrayError, RuntimeError, safetensors.SafetensorError) as error:
            raise ArtifactError(f"The bundle at {artifact.place} does not fit this cirray: {error}.") from error
        return cls(artifact, model.eval().to(memory_format=torch.channels_last), description.vocabulary)

    @classmethod
    def open_uri(cls, uri: str) -> Bundle:
        """Return the bundle whose version folder is at `uri`.

        Raises:
            ArtifactError: there is none.
        """
        return cls.open(Artifact.open(Location.parse(uri), "bundle"))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.artifact.manifest.name

    @property
    def version(self) -> str:
        """The bundle's version."""
        return self.artifact.version

    @property
    def uri(self) -> str:
        """URI of the bundle's version folder."""
        return self.artifact.place.uri

    @property
    def fingerprint(self) -> str:
        """The fingerprint of weights, configuration and vocabulary."""
        return self.artifact.digest

    @property
    def dim(self) -> int:
        """Size D of queries and gallery vectors."""
        return self.model.dim

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width that pictures are scaled to."""
        return self.model.config.preprocessing.size

    @property
    def image_fit(self) -> Fit:
        """How pictures are brought to that size."""
        return self.model.config.preprocessing.fit

    def check_embeds_ahead(self) -> None:
        """Make sure that a gallery can be embedded before its queries are known.

        Raises:
            ConfigError: the composer's gallery vectors depend on the query.
        """
        if self.model.composer.rescores:
            raise ConfigError(
                f"Composer {self.model.config.composer.name!r} of model {self.name} serves as a re-ranker only: its "
                "gallery vectors depend on the query, so that no gallery can be embedded ahead.",
                hint="Index a model with another composer; `cirray evaluate` takes this one.",
            )

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the model never saw."""
        return self.vocabulary.unknown_words(text)

    def embed(self, images: Sequence[bytes]) -> Floats:
        """Return the gallery vectors (N, D), unit length, of encoded pictures.

        Raises:
            BadImageError: one of them is not a picture.
        """
        return self.embed_pixels(self.decode(images))

    def compose(self, images: Sequence[bytes], texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length, of encoded references and modification texts.

        Raises:
            BadImageError: one of the references is not a picture.
            QueryError: one of the texts has no word.
        """
        return self.compose_pixels(self.decode(images), texts)

    def embed_pixels(self, pixels: Pixels) -> Floats:
        """Return the gallery vectors (N, D), unit length, of `pixels` (N, H, W, 3) uint8."""
        return _unit_vectors(len(pixels), self.dim, lambda rows: self.model.embed(_tensor(pixels[rows])))

    def compose_pixels(self, pixels: Pixels, texts: Sequence[str]) -> Floats:
        """Return the queries (N, D), unit length, of references (N, H, W, 3) uint8 and modification texts.

        Raises:
            QueryError: one of the texts has no word.
        """
        tokens, lengths = self._encode(texts)
        return _unit_vectors(
            len(pixels),
            self.dim,
            lambda rows: self.model.compose(_tensor(pixels[rows]), tokens[rows], lengths[rows]),
        )

    @property
    def scorer(self) -> Scorer | None:
        """What scores queries and gallery vectors, where it is not their dot product."""
        return self.rescore if self.model.composer.rescores else None

    def rescore(self, queries: Floats, texts: Sequence[str], gallery: Floats) -> Floats:
        """Return how well each gallery item fits each query, (Q, G); higher is better.

        Args:
            queries: (Q, D) as `compose` gives them.
            texts: the queries' modification texts.
            gallery: (G, D) as `embed` gives them.

        Raises:
            QueryError: one of the texts has no word.
        """
        tokens, lengths = self._encode(texts)
        scores = np.empty((len(queries), len(gallery)), dtype=np.float32)
        items = _tensor(gallery)
        with torch.inference_mode():
            for start in range(0, len(queries), BATCH):
                rows = slice(start, min(start + BATCH, len(queries)))
                text = self.model.encode_texts(tokens[rows], lengths[rows])
                scores[rows] = self.model.composer.rescore(_tensor(queries[rows]), text, items).numpy()
        return scores

    def _encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        if not all(map(has_words, texts)):
            raise QueryError("The modification text is empty or has no word.", hint="Say what should change.")
        ids, lengths = self.vocabulary.encode(texts)
        return _tensor(ids), _tensor(lengths)

    def decode(self, images: Sequence[bytes]) -> Pixels:
        """Return encoded pictures as the model takes them, (N, H, W, 3).

        Raises:
            BadImageError: one of them is not a picture.
        """
        height, width = self.image_size
        pixels = np.empty((len(images), height, width, 3), dtype=np.uint8)
        for row, data in enumerate(images):
            pixels[row] = to_pixels(decode(data), height, width, self.image_fit)
        return pixels


def _load(model: Retriever, state: dict[str, Tensor], vocabulary: Vocabulary) -> None:
    """Put the weights into the model.

    Raises:
        ArtifactError: they belong to a model with another vocabulary.
        RuntimeError: they belong to another model.
    """
    for key, weight in model.state_dict().items():
        given = state.get(key, weight)
        # A table of word vectors has a row for each id.
        if key.endswith("words.weight") and len(weight) == len(vocabulary) != len(given):
            raise ArtifactError(
                f"The vocabulary is of another model: it has {len(vocabulary)} ids, while the weights {key} are for "
                f"{len(given)}.",
                hint=f"{WEIGHTS} and {DESCRIPTION} must come from one and the same bundle: copy both again, or train "
                "again.",
            )
    model.load_state_dict(state)


def _tensor(values: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _unit_vectors(count: int, dim: int, encode: Callable[[slice], Tensor]) -> Floats:
    vectors = np.empty((count, dim), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, count, BATCH):
            rows = slice(start, min(start + BATCH, count))
            vectors[rows] = F.normalize(encode(rows), dim=1).numpy()
    return vectors
