from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cirray.datasets.css.grammar import KINDS, Modification, apply, parse
from cirray.datasets.css.scene import CELLS, CENTERS, COLORS, SHAPES, SIZES, Scene, SceneObject
from cirray.datasets.css.split import PERMITTED, SPLITS, Split, keeps_rule
from cirray.errors import DataError

# Texts printed from the released data by others, and the changes they stand for.
ATTESTED = {
    "make bottom-center small purple circle large": Modification(
        "make", "bottom-center", "small", "purple", "circle", new_size="large"
    ),
    "make middle-left large circle green": Modification(
        "make", cell="middle-left", size="large", shape="circle", new_color="green"
    ),
    "make blue object small": Modification("make", color="blue", new_size="small"),
    "make circle brown": Modification("make", shape="circle", new_color="brown"),
    "make bottom-center brown object cyan": Modification("make", "bottom-center", color="brown", new_color="cyan"),
    "add brown object": Modification("add", color="brown"),
    "add large object to top-left": Modification("add", "top-left", size="large"),
}

# The form of a remove follows that of a make: no text of one was found in print.
INFERRED = {
    "remove top-right small red circle": Modification("remove", "top-right", "small", "red", "circle"),
}


@st.composite
def modifications(draw: st.DrawFn) -> Modification:
    kind = draw(st.sampled_from(KINDS))
    named = Modification(
        "add",
        cell=draw(st.none() | st.sampled_from(CELLS)),
        size=draw(st.none() | st.sampled_from(SIZES)),
        color=draw(st.none() | st.sampled_from(COLORS)),
        shape=draw(st.none() | st.sampled_from(SHAPES)),
    )
    if kind != "make":
        return replace(named, kind=kind)
    if draw(st.booleans()):
        return replace(named, kind=kind, new_size=draw(st.sampled_from(SIZES)))
    return replace(named, kind=kind, new_color=draw(st.sampled_from(COLORS)))


@st.composite
def scenes(draw: st.DrawFn, split: Split) -> Scene:
    objects = []
    for cell in draw(st.sets(st.sampled_from(CELLS))):
        shape = draw(st.sampled_from(SHAPES))
        color = draw(st.sampled_from(PERMITTED[split][shape]))
        objects.append(SceneObject(shape, color, draw(st.sampled_from(SIZES)), CENTERS[cell]))
    return Scene(tuple(objects))


Plain = dict[str, list[str]]


def plain(scene: Scene) -> Plain:
    """Cell -> [size, color, shape]."""
    return {o.cell: [o.size, o.color, o.shape] for o in scene.objects}


def allowed(split: Split, things: Plain) -> bool:
    first, other = {"gray", "blue", "brown", "yellow"}, {"red", "green", "purple", "cyan"}
    if split == "test":
        first, other = other, first
    return all(
        not (shape == "rectangle" and color in other) and not (shape == "triangle" and color in first)
        for _, color, shape in things.values()
    )


def follow(text: str, before: Plain, split: Split) -> Plain | None:
    """Do what a remove or make text says, word by word, without the library."""
    verb, *words = text.split()
    new = words.pop() if verb == "make" else None
    after: Plain = {}
    for cell, thing in before.items():
        meant = all(word == "object" or word == cell or word in thing for word in words)
        if not meant:
            after[cell] = thing
        elif new is not None:
            size, color, shape = thing
            after[cell] = [new, color, shape] if new in ("small", "large") else [size, new, shape]
    return after if after != before and allowed(split, after) else None


@pytest.mark.parametrize(("text", "modification"), list((ATTESTED | INFERRED).items()))
def test_texts_are_as_attested(text: str, modification: Modification) -> None:
    assert modification.text() == text
    assert parse(text) == modification


@settings(deadline=None)
@given(modifications())
def test_parse_inverts_text(modification: Modification) -> None:
    assert parse(modification.text()) == modification


@pytest.mark.parametrize(
    "text",
    [
        "",
        "make circle",
        "make circle big",
        "make circle red large",
        "make red small circle large",
        "make top-left red",
        "remove",
        "remove sphere",
        "remove circle ",
        "remove circle to top-left",
        "add top-left circle",
        "add circle to",
        "add  circle",
        "move circle",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="not a modification text"):
        parse(text)


def test_only_make_takes_one_new_value() -> None:
    for kind, size, color in (("make", None, None), ("make", "small", "red"), ("add", "small", None)):
        with pytest.raises(DataError, match="new size or a new color"):
            Modification(kind, new_size=size, new_color=color)  # type: ignore[arg-type]  # loop of plain strings


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_remove_and_make_do_what_the_words_say(data: st.DataObject) -> None:
    split = data.draw(st.sampled_from(SPLITS))
    scene = data.draw(scenes(split))
    modification = data.draw(modifications().filter(lambda m: m.kind != "add"))
    expected = follow(modification.text(), plain(scene), split)
    result = apply(modification, scene, split, np.random.default_rng(0))
    assert (None if result is None else plain(result)) == expected


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_add_puts_one_object_that_the_words_allow(data: st.DataObject) -> None:
    split = data.draw(st.sampled_from(SPLITS))
    scene = data.draw(scenes(split))
    m = data.draw(modifications().filter(lambda m: m.kind == "add"))
    result = apply(m, scene, split, np.random.default_rng(data.draw(st.integers(0, 99))))
    occupied = {o.cell for o in scene.objects}
    impossible = (
        len(occupied) == 9
        or m.cell in occupied
        or (m.shape is not None and m.color is not None and m.color not in PERMITTED[split][m.shape])
    )
    assert (result is None) == impossible
    if result is not None:
        assert set(scene.objects) < set(result.objects)
        (added,) = set(result.objects) - set(scene.objects)
        assert all(
            word in (added.size, added.color, added.shape, added.cell, "add", "object", "to")
            for word in m.text().split()
        )
        assert added.position == CENTERS[added.cell]
        assert keeps_rule(result, split)


def test_what_an_add_leaves_open_is_drawn_from_everything_permitted() -> None:
    rng = np.random.default_rng(0)
    scene = Scene((SceneObject("circle", "red", "small", CENTERS["top-left"]),))
    seen = set()
    for _ in range(3000):
        result = apply(Modification("add"), scene, "train", rng)
        assert result is not None
        (added,) = set(result.objects) - set(scene.objects)
        seen.add((added.shape, added.color, added.size, added.cell))
    assert len(seen) == (4 + 4 + 8) * 2 * 8


@pytest.mark.parametrize("text", ["make rectangle red", "make object red", "make circle red"])
def test_a_color_that_the_split_forbids(text: str) -> None:
    circle = SceneObject("circle", "blue", "small", CENTERS["top-left"])
    square = SceneObject("rectangle", "blue", "small", CENTERS["top-right"])
    result = apply(parse(text), Scene((circle, square)), "train", np.random.default_rng(0))
    assert (result is None) == (text != "make circle red")


def test_every_fitting_object_is_changed() -> None:
    objects = tuple(SceneObject("circle", "blue", "small", CENTERS[cell]) for cell in CELLS[:5])
    other = SceneObject("triangle", "red", "small", CENTERS["bottom-right"])
    rng = np.random.default_rng(0)
    made = apply(parse("make blue circle large"), Scene((*objects, other)), "train", rng)
    assert made is not None
    assert [o.size for o in made.objects] == ["large"] * 5 + ["small"]
    assert apply(parse("remove circle"), Scene((*objects, other)), "train", rng) == Scene((other,))
    assert apply(parse("remove small object"), Scene(objects), "train", rng) == Scene(())
