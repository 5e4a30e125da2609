"""The world css-2d: CSS as flat shapes on white."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pyarrow as pa

from cirray.config import Choice
from cirray.datasets.css import SPLITS, CssConfig, Scene, encode_png, generate, render, tables
from cirray.datasets.css.files import image_path
from cirray.datasets.source import SourceTables, readers
from cirray.datasets.worlds.source import WorldReader
from cirray.datasets.worlds.world import Picture, Plan, WorldKind, worlds

NAME: Literal["css-2d"] = "css-2d"


def draw_flat(scene: Scene, size: int, round_circles: bool) -> bytes:
    """Return the picture of a scene in two dimensions, as a PNG."""
    return encode_png(render(scene, size, round_circles))


def plan_css_2d(config: CssConfig) -> Plan:
    """Return the plan of both splits."""
    splits = [generate(config, split) for split in SPLITS]
    rows = {world.split: tables(world) for world in splits}
    return Plan(
        pictures=[
            Picture(
                image_path(world.split, index), partial(draw_flat, scene, config.image_size, config.round_circles)
            )
            for world in splits
            for index, scene in enumerate(world.scenes)
        ],
        tables=SourceTables(
            items=pa.concat_tables(items for items, _ in rows.values()),
            triplets={split: triplets for split, (_, triplets) in rows.items()},
        ),
    )


worlds.register(NAME)(WorldKind(NAME, "CSS-2D", CssConfig, version=2, seconds_per_picture=0.0003, plan=plan_css_2d))


class Css2dConfig(Choice):
    """Settings of `Css2d`: none but its name."""

    name: Literal["css-2d"] = NAME


@readers.register(NAME)
class Css2d(WorldReader):
    """Reads a source of the world css-2d."""

    Config = Css2dConfig
    world = NAME
