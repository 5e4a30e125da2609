"""The world css-2d-to-3d: references drawn in two dimensions, targets and galleries in three.

The scenes, the texts and the solid pictures are those of css-3d with the same settings. Each base scene has a flat
picture besides, an item of its own that belongs to no gallery; it is the reference of the queries.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from cirray.config import Choice
from cirray.datasets.css import SPLITS, Split, World, describe, generate, item_table, triplet_table
from cirray.datasets.css.files import item_id
from cirray.datasets.schema import items_table
from cirray.datasets.source import SourceTables, readers
from cirray.datasets.worlds.css_2d import draw_flat
from cirray.datasets.worlds.css_3d import Css3dConfig, solid_pictures
from cirray.datasets.worlds.source import WorldReader
from cirray.datasets.worlds.world import Picture, Plan, WorldKind, worlds

NAME: Literal["css-2d-to-3d"] = "css-2d-to-3d"


class Css2dTo3dConfig(Css3dConfig):
    """A CSS world with flat references and solid targets.

    Attributes:
        flat_size: height and width of the flat pictures in pixels.
        round_circles: draw flat circles round, not as the diamonds of the released 2D renderer.
    """

    flat_size: int = Field(default=64, ge=16, le=1024, multiple_of=16)
    round_circles: bool = False


def flat_id(solid_id: str) -> str:
    """Return the id of the flat picture of a base scene, given that of the solid one."""
    return f"{solid_id}_flat"


def plan_css_2d_to_3d(config: Css2dTo3dConfig) -> Plan:
    """Return the plan of both splits."""
    splits = [generate(config, split) for split in SPLITS]
    pictures = [picture for world in splits for picture in solid_pictures(world)]
    pictures += [
        Picture(_flat_path(world.split, index), partial(draw_flat, scene, config.flat_size, config.round_circles))
        for world in splits
        for index, scene in enumerate(world.scenes[: config.num_scenes])
    ]
    items = [item_table(world) for world in splits] + [_flat_items(world) for world in splits]
    return Plan(pictures, SourceTables(pa.concat_tables(items), {world.split: _triplets(world) for world in splits}))


def _flat_path(split: Split, index: int) -> str:
    return f"images/{flat_id(item_id(split, index))}.png"


def _flat_items(world: World[Css2dTo3dConfig]) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "item_id": flat_id(item_id(world.split, index)),
            "path": _flat_path(world.split, index),
            "label": world.labels[index],
            "caption": describe(world.scenes[index]),
        }
        for index in range(world.config.num_scenes)
    ]
    return items_table(rows)


def _triplets(world: World[Css2dTo3dConfig]) -> pa.Table:
    table = triplet_table(world)
    place = table.schema.get_field_index("reference_id")
    references = pa.array([flat_id(solid) for solid in table["reference_id"].to_pylist()], pa.string())
    return table.set_column(place, table.schema.field(place), references)


worlds.register(NAME)(
    WorldKind(NAME, "CSS-2D-to-3D", Css2dTo3dConfig, version=1, seconds_per_picture=0.012, plan=plan_css_2d_to_3d)
)


class Css2dTo3dReaderConfig(Choice):
    """Settings of `Css2dTo3d`: none but its name."""

    name: Literal["css-2d-to-3d"] = NAME


@readers.register(NAME)
class Css2dTo3d(WorldReader):
    """Reads a source of the world css-2d-to-3d."""

    Config = Css2dTo3dReaderConfig
    world = NAME
