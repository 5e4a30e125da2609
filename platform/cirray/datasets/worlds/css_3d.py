"""The world css-3d: the same scenes and texts as css-2d, as solids on the ground.

As in the released data, the pictures of reference and target are taken independently of each other: objects that no
text has changed still stand a little differently, and camera and lights have moved. The texts keep the names of the
shapes in two dimensions; a rectangle is a cube, a circle a sphere, a triangle a cylinder.

Which of rubber and metal an object is of no text can say. It is our own choice that all are rubber unless the
settings ask for metal, since a change of material between reference and target would be noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from cirray.config import Choice
from cirray.datasets.css import SPLITS, CssScenesConfig, Scene, World, encode_png, generate, tables
from cirray.datasets.css.files import image_path
from cirray.datasets.css.scene import Shape
from cirray.datasets.render3d import Form, Pose, StageConfig, Standing
from cirray.datasets.source import SourceTables, readers
from cirray.datasets.worlds.source import WorldReader
from cirray.datasets.worlds.world import Picture, Plan, WorldKind, worlds

NAME: Literal["css-3d"] = "css-3d"

FORMS: Mapping[Shape, Form] = {"rectangle": "cube", "circle": "sphere", "triangle": "cylinder"}
"""The solid that stands for each shape."""


class Css3dConfig(CssScenesConfig):
    """A CSS world in three dimensions.

    Attributes:
        stage: camera, lights, grid, and how much they jitter.
        metal_probability: how likely an object is of metal; drawn anew for each picture.
    """

    stage: StageConfig = StageConfig()
    metal_probability: float = Field(default=0.0, ge=0, le=1)


C = TypeVar("C", bound=Css3dConfig)


def standing(scene: Scene, metal_probability: float, rng: np.random.Generator) -> list[Standing]:
    """Return the objects of a scene on the grid, each in a pose of its own."""
    return [
        Standing(
            FORMS[o.shape],
            o.color,
            o.size,
            "metal" if rng.random() < metal_probability else "rubber",
            o.cell_index,
            Pose.draw(rng),
        )
        for o in scene.objects
    ]


def draw_solid(scene: Scene, stage: StageConfig, metal_probability: float, seed: tuple[int, ...]) -> bytes:
    """Return the picture of a scene in three dimensions, as a PNG.

    Args:
        scene: what stands there.
        stage: where.
        metal_probability: of each object.
        seed: of this picture. Poses and studio have streams of their own: the studio is the same whatever stands in
            it.
    """
    poses, studio = (np.random.default_rng([*seed, stream]) for stream in (0, 1))
    return encode_png(stage.picture(standing(scene, metal_probability, poses), studio))


def solid_pictures(world: World[C]) -> Iterator[Picture]:
    """Yield the pictures of one split."""
    config = world.config
    for index, scene in enumerate(world.scenes):
        seed = (config.seed, SPLITS.index(world.split), index)
        yield Picture(
            image_path(world.split, index), partial(draw_solid, scene, config.stage, config.metal_probability, seed)
        )


def plan_css_3d(config: Css3dConfig) -> Plan:
    """Return the plan of both splits."""
    splits = [generate(config, split) for split in SPLITS]
    rows = {world.split: tables(world) for world in splits}
    return Plan(
        pictures=[picture for world in splits for picture in solid_pictures(world)],
        tables=SourceTables(
            items=pa.concat_tables(items for items, _ in rows.values()),
            triplets={split: triplets for split, (_, triplets) in rows.items()},
        ),
    )


worlds.register(NAME)(WorldKind(NAME, "CSS-3D", Css3dConfig, version=1, seconds_per_picture=0.012, plan=plan_css_3d))


class Css3dReaderConfig(Choice):
    """Settings of `Css3d`: none but its name."""

    name: Literal["css-3d"] = NAME


@readers.register(NAME)
class Css3d(WorldReader):
    """Reads a source of the world css-3d."""

    Config = Css3dReaderConfig
    world = NAME
