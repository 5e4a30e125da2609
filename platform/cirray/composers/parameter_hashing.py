"""Parameter hashing: the text becomes the weights of a layer on the image vector."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class ParameterHashingConfig(VectorConfig):
    """Settings of `ParameterHashing`.

    Attributes:
        candidates: K, the number of weights that the text gives, and that the hash spreads over the layer.
        seed: of the hash.
    """

    name: Literal["parameter-hashing"] = "parameter-hashing"
    candidates: int = Field(4096, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)


@composers.register("parameter-hashing")
class ParameterHashing(Composer):
    """A linear layer on the reference whose weights are predicted from the text.

    Noh et al., "Image Question Answering Using Convolutional Neural Network with Dynamic Parameter Prediction" (CVPR
    2016), its dynamic parameter layer and hashing. Vo et al., "Composing Text and Image…" (CVPR 2019), section 4.1,
    use it as a baseline in place of the fully connected layer of the image network. With x (B, C) the reference's
    pooled features and t (B, T) the text's vector:

        candidates   p = P t + c                                   (B, K)
        weights      W_t[m, n] = p[ψ(m, n)] · ξ(m, n)              (B, D, C)
        query        W_t x + b

    ψ(m, n) in 0 … K − 1 and ξ(m, n) = ±1 are fixed hashes of the place in the matrix. A gallery picture goes through
    a usual linear layer C → D, the one that the dynamic layer stands in for.

    RTIC's released "parameter hashing" is another method: a static layer, its own weights shared by a hash, on the
    text vector, added to the image vector. There the text never becomes weights. No code was released for the
    baseline of Vo et al., who do not give K. Own choice: K = 4096, because at 512 dimensions P then has about as many
    weights as the other baselines' networks, and each candidate stands in 64 cells. The hash is the SplitMix64
    generator, because it needs no more than integers and is the same on every machine; the table it gives is saved
    with the model all the same.
    """

    Config = ParameterHashingConfig
    paper = Paper(
        "Noh et al.",
        "Image Question Answering Using Convolutional Neural Network with Dynamic Parameter Prediction",
        "CVPR",
        2016,
    )

    places: Tensor

    def __init__(self, config: ParameterHashingConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.predict = nn.Linear(text.sentence, config.candidates)
        self.bias = nn.Parameter(torch.zeros(config.dim))
        self.project = nn.Linear(image.pooled, config.dim)
        places = hashed_places(config.dim, image.pooled, config.candidates, config.seed)
        self.register_buffer("places", torch.from_numpy(places))

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        candidates = self.predict(text.sentence)
        signed = torch.cat([candidates, -candidates], dim=1)
        # One selection of signed weights: several times faster here, backward pass included, than an index by two.
        weights = signed.index_select(1, self.places.flatten()).unflatten(1, self.places.shape)
        vectors = reference.pooled.to(weights.dtype)
        return torch.bmm(weights, vectors[..., None])[..., 0] + self.bias

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))


def hashed_places(rows: int, columns: int, candidates: int, seed: int) -> npt.NDArray[np.int64]:
    """Return ψ(m, n), plus `candidates` where ξ(m, n) = −1, as (rows, columns).

    So an index into the candidates and then their negatives gives the signed weight at once.
    """
    cells = np.arange(rows * columns, dtype=np.uint64) + (np.uint64(seed) << np.uint64(32))
    bits = _mix(cells)
    # The lowest bit is the sign, and what is above it the place, so that the two are independent.
    places = (bits >> np.uint64(1)) % np.uint64(candidates)
    negative = bits & np.uint64(1)
    return (places + negative * np.uint64(candidates)).astype(np.int64).reshape(rows, columns)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 well-mixed bits for each value: a step of SplitMix64."""
    values = (values + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
