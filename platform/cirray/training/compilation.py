"""torch.compile, where there is a compiler."""

from __future__ import annotations

import logging

import torch

from cirray.composers import Retriever

_LOG = logging.getLogger(__name__)


def compile_encoder(model: Retriever, device: torch.device) -> bool:
    """Compile the image encoder of `model` in its place, and return whether that was possible.

    The image encoder alone: it has nearly all the work of a step, and always the same shapes. Texts change their
    lengths, and composers, a few small products, gain less than compiling them takes. Names of weights stay as they
    are.
    """
    try:
        # Compilers fail where the code first runs: better here, and on something small.
        torch.compile(_probe)(torch.ones(8, device=device))
    except Exception as error:  # whatever the tool chain raises
        reason = str(error).strip().splitlines()
        _LOG.warning(
            "training.compile is on, but nothing can be compiled for the %s here, so that the image encoder runs as "
            "it is: %s. On the CPU a C++ compiler is needed (g++), on a GPU Triton.",
            device.type,
            reason[0] if reason else type(error).__name__,
        )
        return False
    model.image_encoder.compile()
    return True


def _probe(values: torch.Tensor) -> torch.Tensor:
    return (values.sin() + 1).relu()
