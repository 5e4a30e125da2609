"""The batch at which a run ended, written down for people who want to know why."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import safetensors.torch
import torch
from torch import Tensor

from cirray.errors import StorageError
from cirray.objectives import Batch
from cirray.storage import Location

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExampleNote:
    """What an example of a batch is, for people.

    Attributes:
        reference_id: of the reference.
        target_id: of the target.
        text: the modification text.
    """

    reference_id: str
    target_id: str
    text: str


def save_for_inspection(
    folder: Location, name: str, batch: Batch, examples: Sequence[ExampleNote], reason: str
) -> str:
    """Write a batch as `name`.safetensors and `name`.json in `folder`, and return where, in words.

    What went wrong before matters more than where this fails: then the words say that nothing was written.

    Args:
        folder: of the run.
        name: of the two files.
        batch: as the model was given it: augmented pictures, token ids.
        examples: of the batch, in its order.
        reason: why the run ended.
    """
    tensors = {
        "reference": batch.reference,
        "target": batch.target,
        "tokens": batch.tokens,
        "lengths": batch.lengths,
        **_descriptions("reference", batch),
        **_descriptions("target", batch),
    }
    note = {"reason": reason, "examples": [asdict(example) for example in examples]}
    try:
        # Copies, since references and targets are cut from one piece of memory, which safetensors refuses.
        copies = {key: tensor.cpu().clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()}
        (folder / f"{name}.safetensors").write(safetensors.torch.save(copies))
        (folder / f"{name}.json").write(json.dumps(note, indent=1, ensure_ascii=False).encode())
    except StorageError as error:
        _LOG.warning("The batch could not be kept for inspection: %s", error)
        return f"the batch could not be kept: {error}"
    return f"its batch is kept as {name}.safetensors and {name}.json in {folder}"


def _descriptions(side: str, batch: Batch) -> dict[str, Tensor]:
    texts = batch.reference_descriptions if side == "reference" else batch.target_descriptions
    if texts is None:
        return {}
    return {f"{side}_description_tokens": texts.tokens, f"{side}_description_lengths": texts.lengths}
