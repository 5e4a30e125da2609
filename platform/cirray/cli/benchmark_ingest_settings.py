"""How much the benchmark of ingest measures."""

from __future__ import annotations

from cirray.config import Config


class IngestSettings(Config):
    """How much is measured.

    Attributes:
        images: that preparing, decoding and the loader are timed on; so many that fixed costs matter little.
        steps: of training that are timed in a round.
        batch_size: triplets in a step.
        side: pixels of the pictures that a step takes.
        prepared_side: longest side of prepared pictures.
        memory_images: sizes of the datasets whose preparation's peak memory is measured.
        repeats: how often preparing, decoding and the loader are timed; the median counts.
        rounds: how often training is timed.
        seed: of the pictures.
        unscaled: whether preparing pictures as they are is timed too.
        judged: whether the goals are judged; with few pictures and steps, fixed costs and chance decide.
    """

    images: int = 6000
    steps: int = 40
    batch_size: int = 32
    side: int = 64
    prepared_side: int = 256
    memory_images: tuple[int, ...] = (5_000, 50_000)
    repeats: int = 3
    rounds: int = 12
    seed: int = 7
    unscaled: bool = True
    judged: bool = True


QUICK = IngestSettings(
    images=256, steps=8, memory_images=(128, 256), repeats=1, rounds=3, unscaled=False, judged=False
)
