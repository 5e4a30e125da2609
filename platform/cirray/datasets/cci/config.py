"""The settings of a generated CCI world."""

from __future__ import annotations

from pydantic import Field, model_validator

from cirray.config import Config
from cirray.datasets.render3d import StageConfig

MAX_IMAGES = 100_000
"""Images of a world: as many as the names of the files, cci_00000.png, keep in order."""


class CciConfig(Config):
    """Size, seed and make-up of a CCI world.

    The defaults of the first group are the paper's: one scene, four rounds of ten changes to each scene of the round
    before, 1 + 10 + 100 + 1,000 + 10,000 images; the edges into the last round are the test, the 1,110 others the
    training set.

    No source gives the values of the second group: they are our own choice. The kinds of change are those of
    CLEVR-Change (color, material, add, remove, move), each equally likely; size and shape are left as they are by
    default. The camera moves with every change, and never alone.

    Attributes:
        rounds: how often the scenes are changed.
        changes: of each scene in a round, all with different results. In all there are at most `MAX_IMAGES`.
        test_rounds: last rounds whose edges are the test set.
        seed: decides everything that is drawn.
        num_objects: of the first scene.
        min_objects: fewest that a removal leaves.
        max_objects: most that an addition leaves.
        color_weight: share of changes of color among the changes, relative to the other weights.
        material_weight: share of changes of material.
        size_weight: share of changes of size.
        form_weight: share of changes of shape.
        move_weight: share of moves to another cell.
        add_weight: share of additions.
        remove_weight: share of removals.
        stage: camera, lights, grid, and how much they jitter; the camera moves more than in the CSS worlds.
    """

    rounds: int = Field(default=4, ge=1, le=6)
    changes: int = Field(default=10, ge=1, le=20)
    test_rounds: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)

    num_objects: int = Field(default=5, ge=1, le=9)
    min_objects: int = Field(default=3, ge=1, le=9)
    max_objects: int = Field(default=8, ge=1, le=9)
    color_weight: float = Field(default=1.0, ge=0)
    material_weight: float = Field(default=1.0, ge=0)
    size_weight: float = Field(default=0.0, ge=0)
    form_weight: float = Field(default=0.0, ge=0)
    move_weight: float = Field(default=1.0, ge=0)
    add_weight: float = Field(default=1.0, ge=0)
    remove_weight: float = Field(default=1.0, ge=0)
    stage: StageConfig = StageConfig(camera_jitter=1.0)

    @model_validator(mode="after")
    def _consistent(self) -> CciConfig:
        if not self.min_objects <= self.num_objects <= self.max_objects:
            raise ValueError(
                f"min_objects ({self.min_objects}), num_objects ({self.num_objects}) and max_objects "
                f"({self.max_objects}) must be in this order"
            )
        if self.test_rounds > self.rounds:
            raise ValueError(f"test_rounds ({self.test_rounds}) must not exceed rounds ({self.rounds})")
        if (images := sum(self.changes**done for done in range(self.rounds + 1))) > MAX_IMAGES:
            raise ValueError(
                f"rounds ({self.rounds}) of {self.changes} changes to each scene give {images:,} images; at most "
                f"{MAX_IMAGES:,} are allowed"
            )
        if not sum(self.weights().values()) > 0:
            raise ValueError("one of the weights must be above zero")
        return self

    def weights(self) -> dict[str, float]:
        """Return the weight of each kind of change, by its name."""
        return {
            "color": self.color_weight,
            "material": self.material_weight,
            "size": self.size_weight,
            "form": self.form_weight,
            "cell": self.move_weight,
            "add": self.add_weight,
            "remove": self.remove_weight,
        }
