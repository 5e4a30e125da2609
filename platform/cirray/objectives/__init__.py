"""Losses, one file each, and the objectives that recipes put together of them.

Importing this package imports every file in it, and so registers them all: a new loss is one new file.
"""

from importlib import import_module
from pkgutil import iter_modules

from cirray.objectives.gather import gather
from cirray.objectives.loss import Loss, LossConfig, LossValue, losses
from cirray.objectives.objective import Objective, needs_descriptions
from cirray.objectives.view import Batch, Texts, View

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)

__all__ = [
    "Batch",
    "Loss",
    "LossConfig",
    "LossValue",
    "Objective",
    "Texts",
    "View",
    "gather",
    "losses",
    "needs_descriptions",
]
