"""Where a model looked when it composed a query: its maps, laid over the reference."""

from __future__ import annotations

import io
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import torch

from cirray.bundles.bundle import Bundle
from cirray.datasets.pictures import Pixels
from cirray.datasets.schema import has_words
from cirray.errors import ConfigError, QueryError
from cirray.exact import Floats

COLUMNS = 4
"""Pictures in a row of the grid."""


@dataclass(frozen=True)
class Explanation:
    """One query and its maps.

    Attributes:
        reference: (H, W, 3) uint8, as the model saw it.
        text: the modification text.
        unknown: words of it that the model never saw.
        maps: by name, each (h, w) in 0..1.
    """

    reference: Pixels
    text: str
    unknown: list[str]
    maps: dict[str, Floats]

    def png(self) -> bytes:
        """Return the reference and, beside it, each map laid over it, as a PNG picture."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        columns = min(COLUMNS, 1 + len(self.maps))
        rows = -(-(1 + len(self.maps)) // columns)
        figure = Figure(figsize=(2.4 * columns, 2.7 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        height, width = self.reference.shape[:2]
        for axis in axes:
            axis.axis("off")
        for axis, (name, values) in zip(axes, [("reference", None), *self.maps.items()], strict=False):
            axis.imshow(self.reference)
            axis.set_title(name, fontsize=9)
            if values is not None:
                extent = (-0.5, width - 0.5, height - 0.5, -0.5)
                axis.imshow(
                    values, extent=extent, cmap="inferno", alpha=0.65, vmin=0, vmax=1, interpolation="nearest"
                )
        # A text is not mathematics, which two dollar signs would begin and end.
        figure.suptitle(fill(f"“{self.text}”", 26 * columns), fontsize=10, parse_math=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        return buffer.getvalue()


def explain(bundle: Bundle, reference: bytes, text: str) -> Explanation:
    """Return where the model of `bundle` looks when it composes a reference and a text.

    Args:
        bundle: with the model.
        reference: an encoded picture.
        text: the modification text.

    Raises:
        BadImageError: the reference is not a picture.
        ConfigError: the model's method has no maps to show.
        QueryError: the text has no word.
    """
    composer = bundle.model.composer
    if not composer.explains:
        raise ConfigError(
            f"Composer {bundle.model.config.composer.name!r} of model {bundle.name} has no maps that explain it.",
            hint="`cirray composers` lists which can explain what.",
        )
    if not has_words(text):
        raise QueryError("The modification text is empty or has no word.", hint="Say what should change.")
    pixels = bundle.decode([reference])
    tokens, lengths = (torch.from_numpy(ids) for ids in bundle.vocabulary.encode([text]))
    with torch.inference_mode():
        image = bundle.model.encode_images(torch.from_numpy(pixels))
        maps = composer.explain(image, bundle.model.encode_texts(tokens, lengths))
    values = {name: np.asarray(each[0].float().numpy(), dtype=np.float32) for name, each in maps.items()}
    return Explanation(pixels[0], text, bundle.unknown_words(text), values)
