"""Dials that many methods share: of the optimiser, and of every loss that is registered."""

from __future__ import annotations

from cirray.tuning.domains import Around, Domain, LogUniform, OneOf, Uniform

RATE_DIALS: dict[str, Domain] = {
    "training.learning_rate": Around(factor=10.0),
    "training.warmup": Uniform(low=0.0, high=0.3),
}
"""Of the optimiser; the rate around the recipe's own, since papers' rates differ by a factor of a thousand."""

_SCALE = LogUniform(low=0.5, high=50.0)
_MARGIN = Uniform(low=0.02, high=1.0)

LOSS_DIALS: dict[str, Domain] = {
    "objective.additive-margin.margin": _MARGIN,
    "objective.additive-margin.scale": _SCALE,
    "objective.batch-classification.scale": _SCALE,
    "objective.batch-hard.margin": Uniform(low=0.02, high=2.0),
    "objective.batch-hard.scale": _SCALE,
    "objective.bidirectional-hinge.margin": _MARGIN,
    "objective.bidirectional-hinge.mining": OneOf(values=("semi-hard", "hardest", "all")),
    "objective.image-reconstruction.weight": LogUniform(low=1e-3, high=1.0),
    "objective.joint.reference_weight": LogUniform(low=0.1, high=10.0),
    "objective.joint.retrieval_weight": LogUniform(low=0.1, high=10.0),
    "objective.joint.scale": _SCALE,
    "objective.joint.target_weight": LogUniform(low=0.1, high=10.0),
    "objective.jvsm-compositional.image_weight": LogUniform(low=0.1, high=10.0),
    "objective.jvsm-compositional.margin": _MARGIN,
    "objective.jvsm-compositional.text_weight": LogUniform(low=0.1, high=10.0),
    "objective.jvsm-compositional.vse_weight": LogUniform(low=0.1, high=10.0),
    "objective.rotational-symmetry.weight": LogUniform(low=1e-3, high=1.0),
    "objective.sac-consistency.image_weight": LogUniform(low=0.01, high=1.0),
    "objective.sac-consistency.weight": LogUniform(low=0.01, high=1.0),
    "objective.sac-discriminator.learning_rate": LogUniform(low=1e-5, high=1e-2),
    "objective.sac-discriminator.weight": LogUniform(low=0.01, high=3.0),
    "objective.sac-triplet.temperature": LogUniform(low=0.1, high=10.0),
    "objective.sampled-classification.scale": _SCALE,
    "objective.soft-triplet.scale": _SCALE,
    "objective.text-reconstruction.weight": LogUniform(low=1e-3, high=1.0),
    "objective.vse.margin": _MARGIN,
    "objective.vse.weight": LogUniform(low=0.1, high=10.0),
}
"""Weights (λ, α), margins, and scales (one over temperature) of the losses; a recipe has those of its own losses."""
