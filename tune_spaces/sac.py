"""SAC: the weights (λ) of its adversary and its consistency, its temperatures, and how sharp its attention is."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, LogUniform, OneOf, Uniform, register_space

register_space(
    "sac",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        "model.composer.temperatures.0": LogUniform(low=0.3, high=10.0),
        "model.composer.temperatures.1": LogUniform(low=1.0, high=20.0),
        "model.composer.power": Uniform(low=1.0, high=5.0),
        "model.composer.attention_weight": LogUniform(low=0.01, high=2.0),
        "model.composer.saliency_weight": LogUniform(low=0.1, high=4.0),
        "model.composer.scale": LogUniform(low=1.0, high=30.0),
        "model.composer.composition": OneOf(values=("offsetting", "concat", "residual-gating", "hadamard")),
    },
)
