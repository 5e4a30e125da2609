"""CurlingNet: the scale of its scores, its fusion, and how much each of its two branches counts."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, Integer, LogUniform, Uniform, register_space

register_space(
    "curling-net",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        "model.composer.scale": LogUniform(low=1.0, high=30.0),
        "model.composer.gate_weight": Uniform(low=0.1, high=4.0),
        "model.composer.residual_weight": LogUniform(low=0.3, high=30.0),
        "model.composer.attention_divisor": LogUniform(low=10.0, high=2000.0),
        "model.composer.fusion_rank": Integer(low=4, high=20),
        "model.composer.fusion_dropout": Uniform(low=0.0, high=0.5),
        "model.composer.image_dropout": Uniform(low=0.0, high=0.5),
    },
)
