"""The modification texts of CSS: what they say and what they do to a scene.

    add [size] [color] {shape|object} [to cell]
    remove [cell] [size] [color] {shape|object}
    make [cell] [size] [color] {shape|object} {new size|new color}

The forms of add and make are attested in the released data ("add large object to top-left", "make middle-left large
circle green"); the form of remove follows make. As the TIRG paper has it (arXiv:1812.07119), remove and make act on
every object that fits, make changes a size or a colour, and what an add leaves open is drawn at random.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

from cirray.datasets.css.draw import pick
from cirray.datasets.css.scene import (
    CELLS,
    CENTERS,
    COLORS,
    SHAPES,
    SIZES,
    Cell,
    Color,
    Scene,
    SceneObject,
    Shape,
    Size,
)
from cirray.datasets.css.split import PERMITTED, Split, keeps_rule, shapes_of
from cirray.errors import DataError

Kind = Literal["add", "remove", "make"]
KINDS: tuple[Kind, ...] = get_args(Kind)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Modification:
    """One change: which objects it is about (None = any) and, for make, what becomes of them.

    Raises:
        DataError: make without exactly one of `new_size` and `new_color`, or add or remove with one.
    """

    kind: Kind
    cell: Cell | None = None
    size: Size | None = None
    color: Color | None = None
    shape: Shape | None = None
    new_size: Size | None = None
    new_color: Color | None = None

    def __post_init__(self) -> None:
        given = (self.new_size is not None) + (self.new_color is not None)
        if given != (1 if self.kind == "make" else 0):
            raise DataError(f"make takes a new size or a new color, add and remove neither; given was {self!r}.")

    def text(self) -> str:
        """Return the change in words, such as "make bottom-center small purple circle large"."""
        what = (self.size, self.color, self.shape or "object")
        words: tuple[str | None, ...]
        if self.kind == "add":
            words = ("add", *what, f"to {self.cell}" if self.cell else None)
        else:
            words = (self.kind, self.cell, *what, self.new_size or self.new_color)
        return " ".join(word for word in words if word)

    def fits(self, candidate: SceneObject) -> bool:
        """Return whether `candidate` has every attribute that the change names."""
        return (
            self.shape in (None, candidate.shape)
            and self.color in (None, candidate.color)
            and self.size in (None, candidate.size)
            and self.cell in (None, candidate.cell)
        )


def _words(name: str, values: Iterable[str]) -> str:
    return f"(?P<{name}>{'|'.join(values)})"


_CELL = _words("cell", CELLS)
_WHAT = f"(?:{_words('size', SIZES)} )?(?:{_words('color', COLORS)} )?(?:{_words('shape', SHAPES)}|object)"
_NEW = f"(?:{_words('new_size', SIZES)}|{_words('new_color', COLORS)})"
_FORMS: dict[Kind, re.Pattern[str]] = {
    "add": re.compile(f"add {_WHAT}(?: to {_CELL})?"),
    "remove": re.compile(f"remove (?:{_CELL} )?{_WHAT}"),
    "make": re.compile(f"make (?:{_CELL} )?{_WHAT} {_NEW}"),
}


def parse(text: str) -> Modification:
    """Return the modification that `text` puts into words: the inverse of `Modification.text`.

    Raises:
        DataError: the text is not of the grammar.
    """
    for kind, form in _FORMS.items():
        if found := form.fullmatch(text):
            named = found.groupdict()
            return Modification(
                kind,
                cell=_one_of(CELLS, named["cell"]),
                size=_one_of(SIZES, named["size"]),
                color=_one_of(COLORS, named["color"]),
                shape=_one_of(SHAPES, named["shape"]),
                new_size=_one_of(SIZES, named.get("new_size")),
                new_color=_one_of(COLORS, named.get("new_color")),
            )
    raise DataError(
        f"{text!r} is not a modification text of CSS; there are 'add [size] [color] {{shape|object}} [to cell]', "
        "'remove [cell] [size] [color] {shape|object}' and "
        "'make [cell] [size] [color] {shape|object} {new size|new color}'."
    )


def apply(modification: Modification, scene: Scene, split: Split, rng: np.random.Generator) -> Scene | None:
    """Return `scene` after `modification`, or None where it cannot be applied.

    It cannot where no object fits, an add finds no free place, nothing would change, or the result would break the
    shape-colour rule of `split`. Only an add draws from `rng`.
    """
    if modification.kind == "add":
        return _add(modification, scene, split, rng)
    if modification.kind == "remove":
        kept = tuple(o for o in scene.objects if not modification.fits(o))
        return Scene(kept) if len(kept) < len(scene.objects) else None
    changed = Scene(tuple(_made(o, modification) for o in scene.objects))
    return changed if changed != scene and keeps_rule(changed, split) else None


def _made(o: SceneObject, m: Modification) -> SceneObject:
    return replace(o, size=m.new_size or o.size, color=m.new_color or o.color) if m.fits(o) else o


def _add(m: Modification, scene: Scene, split: Split, rng: np.random.Generator) -> Scene | None:
    taken = {o.cell for o in scene.objects}
    free = [cell for cell in ([m.cell] if m.cell else CELLS) if cell not in taken]
    if not free or (m.shape and m.color and m.color not in PERMITTED[split][m.shape]):
        return None
    # Lists of one value where the text names it: what is left open is drawn, what is named is not.
    shape = pick([m.shape] if m.shape else shapes_of(m.color, split) if m.color else SHAPES, rng)
    color = pick([m.color] if m.color else PERMITTED[split][shape], rng)
    size = pick([m.size] if m.size else SIZES, rng)
    added = SceneObject(shape, color, size, CENTERS[pick(free, rng)])
    return Scene((*scene.objects, added))


def _one_of(values: Sequence[T], word: str | None) -> T | None:
    return next((value for value in values if value == word), None)
