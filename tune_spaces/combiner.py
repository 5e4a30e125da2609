"""CLIP4Cir's Combiner: its dropout."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, Uniform, register_space

register_space("combiner", dials={**RATE_DIALS, **LOSS_DIALS, "model.composer.dropout": Uniform(low=0.0, high=0.7)})
