"""The world cci: CLEVR-Change-Iterative, scenes that follow from one another by ten changes each, four times over.

Which gallery the paper searches it does not say. It is our own choice that the gallery "test" holds the images of all
rounds, so that a reference is in it; "test-targets" holds those of the test rounds alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from cirray.config import Choice
from cirray.datasets.cci import CciConfig, CciScene, Tree, describe, grow, scene_label
from cirray.datasets.css import encode_png
from cirray.datasets.render3d import StageConfig, Standing
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import SourceTables, readers
from cirray.datasets.worlds.source import WorldReader
from cirray.datasets.worlds.world import Picture, Plan, WorldKind, worlds

NAME: Literal["cci"] = "cci"


def draw_scene(scene: CciScene, stage: StageConfig, seed: tuple[int, ...]) -> bytes:
    """Return the picture of a scene as a PNG; `seed` jitters camera and lights."""
    objects = [Standing(o.form, o.color, o.size, o.material, o.cell_index, o.pose) for o in scene.objects]
    return encode_png(stage.picture(objects, np.random.default_rng([*seed])))


def plan_cci(config: CciConfig) -> Plan:
    """Return the plan of all rounds."""
    tree = grow(config)
    pictures = [
        Picture(_path(index), partial(draw_scene, scene, config.stage, (config.seed, index)))
        for index, scene in enumerate(tree.scenes)
    ]
    triplets = {"train": triplets_table(_queries(tree, "train")), "test": triplets_table(_queries(tree, "test"))}
    return Plan(pictures, SourceTables(_items(tree), triplets))


def item_id(index: int) -> str:
    """Return the id of image `index`; the images of a round follow those of the round before."""
    return f"cci_{index:05d}"


def _path(index: int) -> str:
    return f"images/{item_id(index)}.png"


def _items(tree: Tree) -> pa.Table:
    return items_table(
        {
            "item_id": item_id(index),
            "path": _path(index),
            "label": scene_label(scene),
            "caption": describe(scene),
            "splits": ["test", "test-targets" if tree.is_test(index) else "train"],
        }
        for index, scene in enumerate(tree.scenes)
    )


def _queries(tree: Tree, split: str) -> Iterator[dict[str, Any]]:
    for edge in tree.edges:
        if tree.is_test(edge.target) == (split == "test"):
            yield {
                "query_id": f"cci_{split}_q{edge.target:05d}",
                "reference_id": item_id(edge.source),
                "texts": [edge.instruction],
                "target_id": item_id(edge.target),
            }


worlds.register(NAME)(WorldKind(NAME, "CCI", CciConfig, version=1, seconds_per_picture=0.012, plan=plan_cci))


class CciReaderConfig(Choice):
    """Settings of `Cci`: none but its name."""

    name: Literal["cci"] = NAME


@readers.register(NAME)
class Cci(WorldReader):
    """Reads a source of the world cci."""

    Config = CciReaderConfig
    world = NAME
