"""ComposeAE: the weights of its two mappings, and those (λ) of its reconstructions and of the symmetry."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, LogUniform, Uniform, register_space

register_space(
    "compose-ae",
    dials={
        **RATE_DIALS,
        **LOSS_DIALS,
        "objective.rotational-symmetry.base.scale": LogUniform(low=1.0, high=30.0),
        "model.composer.linear_weight": LogUniform(low=0.3, high=30.0),
        "model.composer.convolution_weight": LogUniform(low=0.1, high=10.0),
        "model.composer.dropout": Uniform(low=0.0, high=0.6),
    },
)
