"""Tuning: search spaces, and sweeps over them by Ray Tune, each trial a run of Ray Train."""

from cirray.tuning.dials import LOSS_DIALS, RATE_DIALS
from cirray.tuning.domains import Around, Domain, Integer, LogUniform, OneOf, Uniform
from cirray.tuning.library import load_spaces, space_of
from cirray.tuning.space import Dial, Space, dials_of, register_space, spaces, turned

__all__ = [
    "LOSS_DIALS",
    "RATE_DIALS",
    "Around",
    "Dial",
    "Domain",
    "Integer",
    "LogUniform",
    "OneOf",
    "Space",
    "Uniform",
    "dials_of",
    "load_spaces",
    "register_space",
    "space_of",
    "spaces",
    "turned",
]
