"""Methods with few dials of their own: one half of the query, both side by side, one operator a text."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, OneOf, Uniform, register_space

DROPOUT = {"model.composer.dropout": Uniform(low=0.0, high=0.5)}

register_space("image-only", "text-only", "parameter-hashing", dials={**RATE_DIALS, **LOSS_DIALS})
register_space("concat", "show-and-tell", dials={**RATE_DIALS, **LOSS_DIALS, **DROPOUT})
register_space(
    "attribute-as-operator",
    dials={**RATE_DIALS, **LOSS_DIALS, "model.composer.rectify": OneOf(values=(False, True))},
)
