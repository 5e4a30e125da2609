"""Image reconstruction: a query must still know the reference that it was composed of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from cirray.composers import Retriever
from cirray.objectives.loss import losses
from cirray.objectives.reconstruction import Reconstruction, ReconstructionConfig
from cirray.objectives.view import View


class ImageReconstructionConfig(ReconstructionConfig):
    """Settings of `ImageReconstruction`."""

    name: Literal["image-reconstruction"] = "image-reconstruction"
    learn_target: bool = True


@losses.register("image-reconstruction")
class ImageReconstruction(Reconstruction):
    """Squared distance between the reference's gallery vector and what a decoder makes of the query (ComposeAE)."""

    Config = ImageReconstructionConfig

    def __init__(self, config: ImageReconstructionConfig, model: Retriever) -> None:
        super().__init__(config, model, model.dim)

    def wanted(self, view: View) -> Tensor:
        """Return the references' gallery vectors."""
        return view.references
