"""The text towers of CLIP models."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from cirray.encoders.extras import optional
from cirray.encoders.features import TextFeatures, TextShape
from cirray.encoders.initial_weights import initial_weights_wanted
from cirray.encoders.sequences import mask_of
from cirray.encoders.splitting.open_clip_pieces import EXTRA, MAX_PIECES
from cirray.encoders.text_encoder import TextEncoder, text_encoders
from cirray.encoders.vocabulary import Vocabulary
from cirray.encoders.weights import WeightsConfig
from cirray.errors import ConfigError
from cirray.storage import Location


class OpenClipTextConfig(WeightsConfig):
    """Settings of `OpenClipText`.

    Attributes:
        model: open_clip's name of the model.
        weights: path or URI of a file with the weights of the whole model (safetensors, or what torch reads with
            `weights_only`), or "none": drawn at random.
        trainable: whether training changes them; false for CLIP4Cir's second stage.
    """

    name: Literal["open-clip"] = "open-clip"
    model: str = "RN50x4-quickgelu"
    trainable: bool = True

    def packages(self) -> tuple[str, ...]:
        """Return open_clip."""
        return ("open-clip-torch",)


@text_encoders.register("open-clip")
class OpenClipText(TextEncoder):
    """The text tower of a model of open_clip, with its projection: the sentence vector is CLIP's, not normalised.

    CLIP4Cir takes OpenAI's RN50x4 (640 numbers). Only towers that read CLIP's byte pairs (set model.tokenizer to
    "open-clip") can be chosen, since the others' tokenisers are downloads. States are those after the last layer
    norm. Extra `open-clip`; a bundle needs the extra, but not the file of the weights.
    """

    Config = OpenClipTextConfig

    def __init__(self, config: OpenClipTextConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        if vocabulary.tokenizer != "open-clip":
            raise ConfigError(
                f"Text encoder 'open-clip' reads CLIP's byte pairs, not the words of tokenizer "
                f"{vocabulary.tokenizer!r}.",
                hint="Set model.tokenizer to open-clip.",
            )
        open_clip = optional("open_clip", EXTRA, "Text encoder 'open-clip'")
        _check(open_clip, config.model, vocabulary)
        size = open_clip.get_model_config(config.model)
        if initial_weights_wanted() and config.weights != "none":
            whole = open_clip.create_model(config.model, load_weights=False, force_custom_text=True)
            _load(open_clip, whole, config.weights)
        else:
            whole = open_clip.CustomTextCLIP(
                size["embed_dim"], _NO_PICTURES, size["text_cfg"], size.get("quick_gelu", False)
            )
        self.tower: Any = whole.text.requires_grad_(config.trainable)
        self.tower.output_tokens = True
        width = size["text_cfg"]["width"]
        self.shape = TextShape(words=width, states=width, sentence=size["embed_dim"])

    def forward(self, tokens: Tensor, lengths: Tensor) -> TextFeatures:
        """Return the features of `tokens` (B, T) with `lengths` (B,)."""
        mask = mask_of(tokens, lengths)
        # Ours begin at 1 and pad with 0, theirs begin at 0 and pad with 0. No word sees what comes after it.
        pieces = (tokens - 1).clamp(min=0)
        words = self.tower.token_embedding(pieces) * mask[..., None]
        # The tower takes texts of its full length only.
        sentence, states = self.tower(F.pad(pieces, (0, self.tower.context_length - tokens.shape[1])))
        return TextFeatures(words, states[:, : tokens.shape[1]] * mask[..., None], mask, sentence)


_NO_PICTURES = {"image_size": 8, "patch_size": 8, "width": 8, "head_width": 8, "layers": 1}
"""An image tower of next to no weights, built beside the one of texts and dropped: open_clip builds pairs."""


def _check(open_clip: Any, model: str, vocabulary: Vocabulary) -> None:
    """Make sure that the model has a text tower for CLIP's byte pairs."""
    if model not in open_clip.list_models():
        raise ConfigError(
            f"open_clip has no model {model!r}.", hint="Choose one of open_clip.list_models(), such as RN50x4."
        )
    tower = open_clip.get_model_config(model)["text_cfg"]
    length = tower.get("context_length", MAX_PIECES)
    strange = [key for key in ("hf_model_name", "hf_tokenizer_name", "no_causal_mask", "embed_cls") if tower.get(key)]
    if strange or length < MAX_PIECES or tower["vocab_size"] < len(vocabulary) - 1:
        raise ConfigError(
            f"The text tower of open_clip's {model} does not read {MAX_PIECES} of CLIP's byte pairs, left to right.",
            hint="Choose a model whose text tower is CLIP's, such as RN50x4 or ViT-B-32.",
        )


def _load(open_clip: Any, model: nn.Module, weights: str) -> None:
    with ExitStack() as stack:
        place = Location.parse(weights)
        if place.size() is None:
            raise ConfigError(
                f"There is no file of weights at {weights}.", hint="Set model.text_encoder.weights to where it is."
            )
        path = place.path
        if not place.is_local:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            path = str(folder / Path(place.path).name)
            Path(path).write_bytes(place.read())
        try:
            open_clip.load_checkpoint(model, path)
        except Exception as error:  # torch raises whatever its parser stumbles over
            raise ConfigError(
                f"The weights in {weights} are not those of the model: {error}.",
                hint="Give a file of the same model, as safetensors or as a state dict that torch saved.",
            ) from error
