"""Show and Tell: an LSTM reads the picture, then the words."""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from cirray.composers.composer import Composer, Paper, VectorConfig, composers
from cirray.encoders import ImageFeatures, ImageShape, TextFeatures, TextShape


class ShowAndTellConfig(VectorConfig):
    """Settings of `ShowAndTell`.

    Attributes:
        hidden: size of the LSTM's state.
        dropout: share of the last state's values that are dropped before the last layer.
    """

    name: Literal["show-and-tell"] = "show-and-tell"
    hidden: int = Field(512, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)


@composers.register("show-and-tell")
class ShowAndTell(Composer):
    """One LSTM whose first word is the picture; its last state is the query.

    Vinyals et al., "Show and Tell: A Neural Image Caption Generator" (CVPR 2015), Eqs. 10 and 11 for the input, as
    the baseline of Vo et al., "Composing Text and Image…" (CVPR 2019), section 4.1, uses it. With x (B, C) the
    reference's pooled features and w_1 … w_L the vectors (B, W) of the text's words:

        h_0, c_0 = lstm(P x)        P brings the picture to the size of a word
        h_i, c_i = lstm(w_i, h_{i−1}, c_{i−1})
        query    = head(h_L)        after the last word, whatever padding follows

    A gallery picture has a linear layer of its own. No code was ever released for this baseline. Own choice: dropout
    0.1 and a linear layer after the state, because TIRG's text encoder ends so in the released code, and the
    gallery's vectors end in a linear layer too.

    The LSTM reads word vectors only (`TextFeatures.words`): a text encoder that has weights behind them, which no
    gradient would reach, is refused. A text without a known word is the picture followed by the unknown word.
    """

    Config = ShowAndTellConfig
    paper = Paper("Vinyals et al.", "Show and Tell: A Neural Image Caption Generator", "CVPR", 2015)
    reads_words_only = True
    needs = ("a text encoder that is word vectors and no more, such as words",)

    def __init__(self, config: ShowAndTellConfig, image: ImageShape, text: TextShape) -> None:
        super().__init__(config, image, text)
        self.parts = (config.dim,)
        self.show = nn.Linear(image.pooled, text.words)
        self.lstm = nn.LSTM(text.words, config.hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(config.hidden, config.dim))
        self.project = nn.Linear(image.pooled, config.dim)

    def compose(self, reference: ImageFeatures | None, text: TextFeatures | None) -> Tensor:
        """Return the queries (B, D)."""
        assert reference is not None
        assert text is not None
        picture = self.show(reference.pooled)
        # All in the type that autocast gave the picture: an LSTM starts from zeros of its input's type, and refuses
        # these beside weights of another.
        states, _ = self.lstm(torch.cat([picture[:, None], text.words.to(picture.dtype)], dim=1))
        rows = torch.arange(len(states), device=states.device)
        # The picture is step 0, so that the last of L words is step L.
        return cast(Tensor, self.head(states[rows, text.mask.sum(dim=1)]))

    def embed(self, image: ImageFeatures) -> Tensor:
        """Return the projected pooled features (B, D)."""
        return cast(Tensor, self.project(image.pooled))
