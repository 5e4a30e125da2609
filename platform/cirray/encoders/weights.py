"""Weights that an encoder starts from: read from a file or a package, and checked against the network."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Collection, Mapping
from typing import ClassVar

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cirray.config import Choice
from cirray.encoders.initial_weights import initial_weights_wanted
from cirray.errors import ConfigError, StorageError
from cirray.storage import Location

Weights = Mapping[str, Tensor]

_NAMED = 3
"""Weights that a message names, of each kind that does not fit."""


class WeightsConfig(Choice):
    """Settings of encoders that can start from weights made elsewhere.

    Attributes:
        weights: "none" (drawn at random), another of the encoder's `named` weights, or the path or URI of a file.
    """

    named: ClassVar[tuple[str, ...]] = ("none",)
    weights: str = "none"

    def source_files(self) -> tuple[str, ...]:
        """Return the file of the weights, if they are in one."""
        return () if self.weights in self.named else (self.weights,)


def start_from(
    network: nn.Module,
    weights: str,
    named: Mapping[str, Callable[[], Weights]] | None = None,
    *,
    surplus: Collection[str] = (),
    within: str = "",
) -> None:
    """Put the weights that an encoder's settings name into its network.

    Nothing happens for "none", and while a model is built whose weights come later (`no_initial_weights`).

    Args:
        network: that gets them.
        weights: "none", a name in `named`, or the path or URI of a file.
        named: what reads the weights that have a name.
        surplus: beginnings of the names of weights that the network leaves out, such as a classifier's.
        within: beginning of the names of this network's weights in files that hold those of a whole model.

    Raises:
        ConfigError: they cannot be had, or are not those of this network.
    """
    named = named or {}
    if weights == "none" or not initial_weights_wanted():
        return
    state = named[weights]() if weights in named else read_weights(weights, ("none", *named))
    if within and any(key.startswith(within) for key in state):
        state = {key.removeprefix(within): value for key, value in state.items() if key.startswith(within)}
    fill(network, state, weights, surplus)


def read_weights(uri: str, names: Collection[str] = ("none",)) -> Weights:
    """Return the weights in a file.

    Args:
        uri: path or URI of a safetensors file (by its ending) or of a state dict that `torch.save` wrote. The latter
            is read without running any code that it holds.
        names: that could have been given instead of a file, for the message.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    try:
        data = Location.parse(uri).read()
    except StorageError as error:
        raise ConfigError(
            f"The weights {uri!r} cannot be read: {error}",
            hint=f"Give {', '.join(map(repr, names))}, or the path or URI of a file that all workers can read.",
        ) from None
    try:
        state = (
            safetensors.torch.load(data)
            if uri.endswith(".safetensors")
            else torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        )
    except _UNREADABLE as error:
        raise ConfigError(f"The file {uri} holds no weights: {_first_line(error)}.", hint=_KINDS) from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not (isinstance(state, Mapping) and all(isinstance(value, Tensor) for value in state.values())):
        raise ConfigError(f"The file {uri} holds something else than weights by name.", hint=_KINDS)
    return dict(state)


def fill(network: nn.Module, state: Weights, source: str, surplus: Collection[str] = ()) -> None:
    """Put `state` into `network`, whose weights it must be: none missing, none over, each of its shape and finite.

    Args:
        network: that gets them.
        state: weights by name.
        source: where they are from, for the message.
        surplus: beginnings of the names of weights that the network leaves out.

    Raises:
        ConfigError: they are not those of this network.
    """
    own = network.state_dict()
    given = {key: value for key, value in state.items() if key in own or not key.startswith(tuple(surplus))}
    # Files from before PyTorch 0.4 do not count the batches that a batch norm has seen; only its averages matter.
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in own]
    shapes = [
        f"{key} {tuple(value.shape)} instead of {tuple(own[key].shape)}"
        for key, value in given.items()
        if key in own and value.shape != own[key].shape
    ]
    broken = [key for key, value in given.items() if key in own and not bool(value.isfinite().all())]
    problems = [
        ("missing", missing),
        ("unknown", unknown),
        ("of another shape", shapes),
        ("with values that are not finite", broken),
    ]
    if any(found for _, found in problems):
        told = "; ".join(f"{len(found)} {kind}: {_some(found)}" for kind, found in problems if found)
        raise ConfigError(
            f"The weights from {source!r} are not those of this encoder ({len(own)} tensors): {told}.",
            hint="Give the weights of the same network, or change the encoder's settings to that of the weights.",
        )
    network.load_state_dict({**own, **given})


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


_UNREADABLE = (safetensors.SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError)

_KINDS = "Give a safetensors file, or a state dict that torch.save wrote."
