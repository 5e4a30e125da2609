"""How many workers train, and on what."""

from __future__ import annotations

from pydantic import Field

from cirray.config import Config


class Scaling(Config):
    """How many workers train, and on what.

    Attributes:
        workers: number of processes, one model replica each.
        gpu: whether each takes a GPU (NCCL, bf16) or works on the CPU (gloo).
        max_failures: how many times the run goes on after workers died.
        timeout_s: how long a worker waits for the others before it gives up.
    """

    workers: int = Field(1, ge=1)
    gpu: bool = False
    max_failures: int = Field(3, ge=0)
    timeout_s: int = Field(300, ge=1)
