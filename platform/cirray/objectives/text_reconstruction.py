"""Text reconstruction: a query must still know the text that it was composed of."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from cirray.composers import Retriever
from cirray.errors import ConfigError
from cirray.objectives.loss import losses
from cirray.objectives.reconstruction import Reconstruction, ReconstructionConfig
from cirray.objectives.view import View


class TextReconstructionConfig(ReconstructionConfig):
    """Settings of `TextReconstruction`."""

    name: Literal["text-reconstruction"] = "text-reconstruction"
    learn_target: bool = False


@losses.register("text-reconstruction")
class TextReconstruction(Reconstruction):
    """Squared distance between the text's sentence vector and what a decoder makes of the query (ComposeAE).

    Own choice: no gradient into the texts by default, since the paper's are frozen BERT vectors. RTIC's code, whose
    texts are learned, lets it through (`learn_target`).
    """

    Config = TextReconstructionConfig

    def __init__(self, config: TextReconstructionConfig, model: Retriever) -> None:
        if not model.composer.uses_text:
            raise ConfigError(
                f"The loss 'text-reconstruction' needs texts, and composer {model.config.composer.name!r} uses none.",
                hint="Leave the loss out, or choose a composer that uses the text.",
            )
        super().__init__(config, model, model.text_shape.sentence)

    def wanted(self, view: View) -> Tensor:
        """Return the sentence vectors of the modification texts."""
        assert view.text is not None
        return view.text.sentence.float()
