"""Methods from question answering: FiLM, MRN and Relationship, whose depth and width are dials."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, Integer, OneOf, Uniform, register_space

COORDINATES = {"model.composer.coordinates": OneOf(values=(False, True))}

register_space(
    "film",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        **COORDINATES,
        "model.composer.blocks": Integer(low=1, high=4),
        "model.composer.scale": OneOf(values=("gamma", "one-plus-gamma")),
    },
)
register_space(
    "mrn",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        "model.composer.blocks": Integer(low=1, high=4),
        "model.composer.dropout": Uniform(low=0.0, high=0.5),
    },
)
register_space(
    "relationship",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        **COORDINATES,
        "model.composer.hidden": OneOf(values=(64, 128, 256, 512)),
        "model.composer.layers": Integer(low=1, high=3),
        "model.composer.pooling": OneOf(values=("average", "sum")),
    },
)
