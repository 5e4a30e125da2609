"""Where each position of a map is, as two more channels."""

from __future__ import annotations

import torch
from torch import Tensor


def with_coordinates(image_map: Tensor) -> Tensor:
    """Return `image_map` (B, C, H, W) with row and column of each position, from −1 to 1, as (B, C + 2, H, W)."""
    batch, _, height, width = image_map.shape
    rows, columns = (torch.linspace(-1, 1, size, device=image_map.device) for size in (height, width))
    both = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).to(image_map.dtype)
    return torch.cat([image_map, both.expand(batch, -1, -1, -1)], dim=1)
