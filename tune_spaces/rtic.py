"""RTIC: how many residual blocks encode the difference of reference and target."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, Integer, register_space

register_space("rtic", dials={**RATE_DIALS, **LOSS_DIALS, "model.composer.blocks": Integer(low=1, high=6)})
