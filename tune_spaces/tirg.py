"""TIRG and its siblings: how much of the reference passes the gate, and how much the text adds."""

from cirray.tuning import LOSS_DIALS, RATE_DIALS, Domain, LogUniform, Uniform, register_space

GATES: dict[str, Domain] = {
    "model.composer.gate_weight": Uniform(low=0.1, high=4.0),
    "model.composer.residual_weight": LogUniform(low=0.3, high=30.0),
}

register_space(
    "tirg-last-fc", "tirg-last-conv", "tirg-compositions", "jvsm", dials={**RATE_DIALS, **LOSS_DIALS, **GATES}
)
