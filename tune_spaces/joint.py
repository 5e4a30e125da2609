"""The joint space of pictures and texts: the weights (α) of its three alignments, and of the composer inside."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, register_space

register_space("joint", dials={**RATE_DIALS, **LOSS_DIALS})
