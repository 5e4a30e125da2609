"""Recipes: functions that return the complete, frozen configuration of a run, one file a dataset.

Importing this package imports every file in it, and so registers them all.
"""

from importlib import import_module
from pkgutil import iter_modules

from cirray.recipes.run import (
    BatchStatistics,
    HoldOutConfig,
    Recipe,
    RunConfig,
    TrainingConfig,
    ValidationConfig,
    recipes,
)

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)

__all__ = [
    "BatchStatistics",
    "HoldOutConfig",
    "Recipe",
    "RunConfig",
    "TrainingConfig",
    "ValidationConfig",
    "recipes",
]
