"""Which colours each shape may have in which split, so that the test shows unseen shape-colour pairs.

The rule is CLEVR-CoGenT's (Johnson et al., arXiv:1612.06890, with cube = rectangle, cylinder = triangle and
sphere = circle): rectangles and triangles swap their four colours between train and test, circles take all eight in
both. That CSS follows it is inferred from the TIRG paper, which names CLEVR's protocol; the released data was not
compared.

Own choice, since no source settles it: target scenes keep to the rule of their split as well. A change of colour that
would create a forbidden pair is not generated, and a colour left open is drawn from the permitted ones.
"""

from __future__ import annotations

from typing import Literal, get_args

from cirray.datasets.css.scene import COLORS, SHAPES, Color, Scene, Shape

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_FIRST_FOUR: tuple[Color, ...] = ("gray", "blue", "brown", "yellow")
_OTHER_FOUR: tuple[Color, ...] = ("red", "purple", "green", "cyan")

PERMITTED: dict[Split, dict[Shape, tuple[Color, ...]]] = {
    "train": {"rectangle": _FIRST_FOUR, "triangle": _OTHER_FOUR, "circle": COLORS},
    "test": {"rectangle": _OTHER_FOUR, "triangle": _FIRST_FOUR, "circle": COLORS},
}
"""Colours of each shape, per split."""


def shapes_of(color: Color, split: Split) -> tuple[Shape, ...]:
    """Return the shapes that may have `color` in `split`."""
    return tuple(shape for shape in SHAPES if color in PERMITTED[split][shape])


def keeps_rule(scene: Scene, split: Split) -> bool:
    """Return whether every object of `scene` has a colour that its shape may have in `split`."""
    permitted = PERMITTED[split]
    return all(o.color in permitted[o.shape] for o in scene.objects)
