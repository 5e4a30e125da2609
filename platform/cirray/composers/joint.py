"""In Joint: another composer, in a space that pictures share with their descriptions."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import SerializeAsAny
from torch import Tensor, nn

from cirray.composers.composer import Composer, ComposerConfig, Paper, VectorConfig, composers
from cirray.composers.tirg_last_conv import TirgLastConvConfig
from cirray.config import chosen_from
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape
from cirray.errors import ConfigError


class JointConfig(VectorConfig):
    """Settings of `Joint`.

    Attributes:
        dim: size D of the joint space.
        inner: the composer that is worn, with its settings.
    """

    name: Literal["joint"] = "joint"
    inner: Annotated[SerializeAsAny[ComposerConfig], chosen_from(composers)] = TirgLastConvConfig()


@composers.register("joint")
class Joint(Composer):
    """Let any composer compose, and project its vectors into a space where descriptions of pictures lie too.

    Dong et al., "Using Text to Teach Image Retrieval" (CVPR Workshops 2021). With f the inner composer's queries, e
    its gallery vectors (both of the inner size), and d (B, T) the sentence vectors of descriptions by a text encoder
    of their own:

        ψ = P e(image)             a picture in the joint space, (B, D)
        φ = P' d                   a description in the joint space, (B, D)
        query = P f(reference, text)

    P and P' are linear; the loss `joint`, which trains the three together, takes all vectors at unit length, and so
    does the search. Once trained, queries and gallery need neither P' nor the descriptions.

    Own choice: the paper composes vectors that are already projected, f(ψ, φ of the text), where here P follows f.
    Only so can any composer be worn: one that looks at maps or at words has no single projected vector to start
    from. The image branch is the paper's (network, linear layer, projection, unit length), the inner composer's own
    projection being its linear layer.
    """

    Config = JointConfig
    paper = Paper("Dong et al.", "Using Text to Teach Image Retrieval", "CVPR Workshops", 2021)
    describes = True
    second_encoder = "descriptions"
    needs: tuple[str, ...] = ("descriptions of whole pictures while it trains",)

    def __init__(self, config: JointConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        if config.inner.name not in wearable():
            raise ConfigError(
                f"Composer {config.inner.name!r} cannot be worn in Joint: it ranks pairs, or has descriptions "
                "or a second text encoder of its own.",
                hint=f"Set model.composer.inner.name to one of: {', '.join(wearable())}.",
            )
        self.parts = (config.dim,)
        self.inner = composers[config.inner.name](config.inner, image, text)
        self.project = nn.Linear(self.inner.dim, config.dim)
        self.project_descriptions = nn.Linear(text.sentence, config.dim)
        self.uses_reference = self.inner.uses_reference
        self.uses_text = self.inner.uses_text
        self.reads_words_only = self.inner.reads_words_only
        self.needs = (*type(self).needs, *self.inner.needs)
        self.explains = self.inner.explains

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the inner composer's queries in the joint space, (B, D)."""
        return cast(Tensor, self.project(self.inner.compose(reference, text)))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the inner composer's gallery vectors in the joint space, (B, D)."""
        return cast(Tensor, self.project(self.inner.embed(image)))

    def describe(self, text: TextFeatures) -> Tensor:
        """Return descriptions in the joint space, (B, D)."""
        return cast(Tensor, self.project_descriptions(text.sentence))

    def explain(self, reference: ImageFeatures | None, text: TextFeatures | None) -> dict[str, Tensor]:
        """Return the inner composer's maps."""
        return self.inner.explain(reference, text)


def wearable() -> list[str]:
    """Return the names of the composers that `Joint` can wear."""
    return [
        name
        for name in composers
        if not composers[name].rescores and not composers[name].describes and composers[name].second_encoder == "none"
    ]
