"""Weights that torchvision downloads."""

from __future__ import annotations

from urllib.error import URLError

from cirray.encoders.weights import Weights
from cirray.errors import ConfigError

TRAINED_AS = "IMAGENET1K_V1"
"""The first ImageNet weights of each network, which the papers start from; later ones come from longer training."""


def fetch_weights(network: str) -> Weights:
    """Return the ImageNet weights of one of torchvision's networks, from its cache or else from the network.

    Args:
        network: torchvision's name of it.

    Raises:
        ConfigError: they cannot be downloaded.
    """
    from torchvision.models import get_model_weights  # here, since it takes seconds to import

    weights = get_model_weights(network)[TRAINED_AS]
    try:
        state: Weights = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"The weights of {network} cannot be downloaded from {weights.url}: {error}.",
            hint="Download that file elsewhere and set the image encoder's weights to its path or URI, "
            'or set them to "none".',
        ) from None
    return state
