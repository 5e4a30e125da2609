"""Compact bilinear pooling: the outer product of two vectors, sketched into one of their own size."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class CompactBilinear(nn.Module):
    """The circular convolution of two count sketches.

    Gao et al., "Compact Bilinear Pooling" (CVPR 2016), by Tensor Sketch. With h(k) a place and s(k) = ±1, both drawn
    once for each of the two inputs and fixed from then on, and * the circular convolution:

        sketch(v)_d = Σ_{k: h(k) = d} s(k) v_k        pooled = sketch₁(x) * sketch₂(y)

    Places and signs are part of the model's state, as weights are.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        for number in (1, 2):
            self.register_buffer(f"places{number}", torch.randint(dim, (dim,)))
            self.register_buffer(f"signs{number}", 2.0 * torch.randint(2, (dim,)) - 1)

    def spectra(self, vectors: Tensor, number: int) -> Tensor:
        """Return the Fourier transform (..., D // 2 + 1) of the sketches of `vectors` (..., D) as input 1 or 2."""
        places, signs = (self.get_buffer(f"{name}{number}") for name in ("places", "signs"))
        sketch = signs.new_zeros(len(places), len(places)).scatter(1, places[:, None], signs[:, None])
        return cast(Tensor, torch.fft.rfft(vectors @ sketch))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the pooled vectors (..., D) of spectra that broadcast against each other."""
        return cast(Tensor, torch.fft.irfft(first * second, n=len(self.get_buffer("places1"))))
