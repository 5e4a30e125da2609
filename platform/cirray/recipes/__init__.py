"""Recipes: functions that return the complete, frozen configuration of a run. Importing registers them all."""

from cirray.recipes import css_2d
from cirray.recipes.run import Recipe, RunConfig, TrainingConfig, recipes

__all__ = ["Recipe", "RunConfig", "TrainingConfig", "css_2d", "recipes"]
