"""Changes of a CCI scene: one attribute of one object, an object more, or an object less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cirray.datasets.cci.config import CciConfig
from cirray.datasets.cci.scene import VALUES, CciObject, CciScene
from cirray.datasets.css import CELLS
from cirray.datasets.css.draw import pick
from cirray.datasets.render3d import Pose


def draw_object(cell: str, rng: np.random.Generator) -> CciObject:
    """Return an object at `cell`, its other attributes uniform, in a random pose."""
    drawn = {name: pick(values, rng) for name, values in VALUES.items()}
    return CciObject(**{**drawn, "cell": cell}, pose=Pose.draw(rng))


def draw_first(config: CciConfig, rng: np.random.Generator) -> CciScene:
    """Return the scene that all others grow from."""
    cells = [CELLS[index] for index in rng.permutation(len(CELLS))[: config.num_objects].tolist()]
    return CciScene(tuple(draw_object(cell, rng) for cell in cells))


def draw_change(scene: CciScene, config: CciConfig, rng: np.random.Generator) -> CciScene:
    """Return a scene one change away from `scene`: a kind by its weight among those possible, the rest uniform.

    What is not changed keeps its pose; what moves to another cell gets a new one.
    """
    weights = dict(config.weights())
    taken = {o.cell for o in scene.objects}
    if len(scene.objects) >= config.max_objects:
        weights["add"] = 0.0
    if len(scene.objects) <= config.min_objects:
        weights["remove"] = 0.0
    if len(taken) == len(CELLS):
        weights["cell"] = 0.0
    total = sum(weights.values())
    if not total:
        return scene
    kind = list(weights)[int(rng.choice(len(weights), p=[weight / total for weight in weights.values()]))]
    free = [cell for cell in CELLS if cell not in taken]
    if kind == "add":
        return CciScene((*scene.objects, draw_object(pick(free, rng), rng)))
    chosen = pick(scene.objects, rng)
    if kind == "remove":
        return CciScene(tuple(o for o in scene.objects if o != chosen))
    values = free if kind == "cell" else [value for value in VALUES[kind] if value != getattr(chosen, kind)]
    pose = Pose.draw(rng) if kind == "cell" else chosen.pose
    value: dict[str, Any] = {kind: pick(values, rng)}
    changed = replace(chosen, pose=pose, **value)
    return CciScene(tuple(changed if o == chosen else o for o in scene.objects))


def change(before: CciObject | None, after: CciObject | None) -> str | None:
    """Return the instruction that makes `before` into `after`, or None where more than one attribute differs.

    Args:
        before: None for an object that is added.
        after: None for an object that is removed.
    """
    if before is None or after is None:
        present = before or after
        verb = "add" if after else "remove"
        return f"{verb} the {present.text()}".replace("add the", "add a") if present else None
    differing = [name for name in VALUES if getattr(before, name) != getattr(after, name)]
    if len(differing) != 1:
        return None
    value = getattr(after, differing[0])
    if differing[0] == "cell":
        return f"move the {before.text()} to {value}"
    name = "shape" if differing[0] == "form" else differing[0]
    return f"change the {name} of the {before.text()} to {value}"
