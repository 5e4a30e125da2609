"""Seeds of all that is random in a step besides its batch."""

from __future__ import annotations

import numpy as np

DROPOUT, AUGMENTATION = range(2)


def step_seed(seed: int, epoch: int, step: int, stream: int = DROPOUT) -> int:
    """Return a seed below 2⁶³, different for each step, and for each stream of it.

    A run that goes on in the middle of an epoch thus draws what one that was never interrupted draws. All workers
    have the same seed: they draw for the whole batch and take the rows that are theirs, so that their number does
    not matter.

    Args:
        seed: of the run.
        epoch: from 0.
        step: of the epoch, from 0.
        stream: what for.
    """
    # The zero was the rank of the worker once: what one worker draws stays what it was.
    sequence = np.random.SeedSequence([seed, epoch, step, 0, stream])
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
