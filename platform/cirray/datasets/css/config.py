"""The settings of a generated CSS world: of its scenes, and of its pictures in two dimensions."""

from __future__ import annotations

from pydantic import Field, model_validator

from cirray.config import Config
from cirray.datasets.css.split import SPLITS, Split

MAX_IMAGES = 1_000_000
"""Images in a split: as many as the names of the files, css_train_000000.png, keep in order."""


class CssScenesConfig(Config):
    """Size, seed and make-up of the scenes of a CSS world, however they are drawn.

    The defaults of the first group give the counts of the released data: 1,000 base scenes a split, and
    6,004 (train) and 6,019 (test) modifications of three reference scenes each: 18,012 and 18,057 queries.

    No source gives the values of the second group: they are our own choice, as is that all attributes of an object,
    and all kinds of modification, are equally likely.

    Attributes:
        num_scenes: base scenes in each split. With the targets, a split has at most `MAX_IMAGES`.
        train_modifications_per_scene: modifications of the train split, as a multiple of `num_scenes`.
        test_modifications_per_scene: the same for the test split.
        references_per_modification: distinct base scenes that each modification is applied to.
        seed: decides everything that is drawn; the two splits draw from independent streams.
        min_objects: fewest objects of a base scene.
        max_objects: most objects of a base scene.
        selector_probability: how likely a modification names each of cell, size, color and shape.
        new_color_probability: how likely a make changes the color (else the size).
        add_weight: share of adds among the modifications, relative to the two other weights.
        remove_weight: share of removes.
        make_weight: share of makes.
    """

    num_scenes: int = Field(default=1000, ge=1, le=MAX_IMAGES)
    train_modifications_per_scene: float = Field(default=6.004, gt=0, le=MAX_IMAGES)
    test_modifications_per_scene: float = Field(default=6.019, gt=0, le=MAX_IMAGES)
    references_per_modification: int = Field(default=3, ge=1, le=MAX_IMAGES)
    seed: int = Field(default=0, ge=0)

    min_objects: int = Field(default=3, ge=0, le=9)
    max_objects: int = Field(default=6, ge=1, le=9)
    selector_probability: float = Field(default=0.5, ge=0, le=1)
    new_color_probability: float = Field(default=0.5, ge=0, le=1)
    add_weight: float = Field(default=1.0, ge=0)
    remove_weight: float = Field(default=1.0, ge=0)
    make_weight: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> CssScenesConfig:
        if self.min_objects > self.max_objects:
            raise ValueError(f"min_objects ({self.min_objects}) must not exceed max_objects ({self.max_objects})")
        if self.references_per_modification > self.num_scenes:
            raise ValueError(
                f"references_per_modification ({self.references_per_modification}) distinct scenes need at least as "
                f"many num_scenes (given was {self.num_scenes})"
            )
        for split in SPLITS:
            if (images := self.num_images(split)) > MAX_IMAGES:
                raise ValueError(
                    f"num_scenes ({self.num_scenes:,}), {split}_modifications_per_scene and "
                    f"references_per_modification give {images:,} images in split {split}; at most {MAX_IMAGES:,} "
                    "are allowed"
                )
        if not self.add_weight + self.remove_weight + self.make_weight > 0:
            raise ValueError("one of add_weight, remove_weight and make_weight must be above zero")
        return self

    def num_modifications(self, split: Split) -> int:
        """Return how many modifications `split` has, at least one."""
        per_scene = {"train": self.train_modifications_per_scene, "test": self.test_modifications_per_scene}
        return max(1, round(self.num_scenes * per_scene[split]))

    def num_images(self, split: Split) -> int:
        """Return how many images `split` has: base scenes and targets."""
        return self.num_scenes + self.num_modifications(split) * self.references_per_modification


class CssConfig(CssScenesConfig):
    """A CSS world in two dimensions.

    Attributes:
        image_size: height and width of the pictures in pixels.
        round_circles: draw circles round, not as the diamonds of the released 2D renderer.
    """

    image_size: int = Field(default=64, ge=16, le=1024, multiple_of=16)
    round_circles: bool = False
