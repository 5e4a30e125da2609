"""What is told of a model besides its weights: how it is built, and where it is from."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from cirray.composers import ModelConfig
from cirray.config import Config
from cirray.encoders import Vocabulary
from cirray.storage import CodeVersion

WEIGHTS = "model.safetensors"
DESCRIPTION = "bundle.json"


class BundleDescription(Config):
    """What a bundle's weights mean.

    Attributes:
        model: what the model is built from, and how pictures and texts become its input.
        vocabulary: of its texts.
    """

    model: ModelConfig
    vocabulary: Vocabulary


class BundleDetails(Config):
    """What the manifest of a bundle tells besides its inputs, as far as it is read again.

    Attributes:
        dataset: "name@version" of the dataset that the model was trained on.
        epoch: of training whose weights these are, from 1; null where it was not kept.
        metrics: what training itself came to in that epoch, by name; recalls are in the evaluations beside the
            bundle.
        code: the cirray that made it.
    """

    model_config = ConfigDict(extra="ignore")

    dataset: str
    epoch: int | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    code: CodeVersion = CodeVersion()
