"""VAL: its attentions and their weights, and the margin of the hinge at every level."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, LogUniform, OneOf, Uniform, register_space

register_space(
    "val",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        "model.composer.self_weight": LogUniform(low=0.1, high=10.0),
        "model.composer.joint_weight": LogUniform(low=0.1, high=10.0),
        "model.composer.attention_dropout": Uniform(low=0.0, high=0.3),
        "model.composer.heads": OneOf(values=(1, 2, 4)),
        "model.composer.batch_norm": OneOf(values=(False, True)),
    },
)
