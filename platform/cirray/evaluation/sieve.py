"""What approximate scores settle for a block of queries, and which pairs they leave to exact ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cirray.evaluation.scores import Scores
from cirray.exact import Doubles, Ints

TILE = 4096
"""Items scored at once on a CPU: with 2,048 queries, 32 MB of scores."""

TILE_ON_GPU = 65536

GROUP = 32
"""Scores of which only the highest is looked at first: where that is too low, so are all."""

MANY = 0.3
"""Share of the groups above the threshold from which on all are looked into."""


@dataclass
class Sifted:
    """What a pass over the gallery found for B queries.

    Attributes:
        above: (B,) how many items surely score above the query's threshold.
        doubtful: (2, P) pairs of a query and an item that float32 cannot tell from the threshold.
        candidates: (2, C) pairs among which each query's best items surely are.
        values: (C,) the candidates' approximate scores.
    """

    above: Ints
    doubtful: Ints
    candidates: Ints
    values: Doubles


def sift(scores: Scores, thresholds: Doubles, excluded: Ints, depth: int) -> Sifted:
    """Compare all items with each query's threshold, and find candidates for its best `depth`, tile by tile.

    The highest score of each group of items is found first. Groups below the threshold hold nothing that counts, and
    of those below the `depth`-th highest peak so far none of the best: only the others are looked into.

    Args:
        scores: of the block.
        thresholds: (B,) exact scores; infinity for a query that has none.
        excluded: (B,) position of the item that each query leaves out, or −1.
        depth: how many of the best are wanted; 0 for none.
    """
    pile = _Pile(scores, thresholds, depth)
    tile = TILE if scores.device.type == "cpu" else TILE_ON_GPU
    leaving = np.flatnonzero(excluded >= 0)
    for start in range(0, scores.num_items, tile):
        stop = min(start + tile, scores.num_items)
        near = scores.near(slice(start, stop))
        if rest := (start - stop) % GROUP:
            near = pad(near, (0, rest), value=-torch.inf)
        rows = leaving[(excluded[leaving] >= start) & (excluded[leaving] < stop)]
        near[_placed(rows, near), _placed(excluded[rows] - start, near)] = -torch.inf
        pile.add(near, start)
    return pile.sifted(scores.error)


@dataclass
class _Pile:
    """What was found in the tiles so far."""

    scores: Scores
    thresholds: Doubles
    depth: int
    _doubtful: list[Ints] = field(default_factory=list)
    _candidates: list[Ints] = field(default_factory=list)
    _values: list[Doubles] = field(default_factory=list)

    def __post_init__(self) -> None:
        device, error = self.scores.device, self.scores.error
        level = self.thresholds - self.scores.offset
        low, high = (level - error).astype(np.float32), (level + error).astype(np.float32)
        # One further, as the nearest float32 may lie on the wrong side.
        self.low = torch.from_numpy(np.nextafter(low, -np.inf, dtype=np.float32))[:, None].to(device)
        self.high = torch.from_numpy(np.nextafter(high, np.inf, dtype=np.float32))[:, None].to(device)
        if not error.any():  # what is exact has no one beside it
            self.low = self.high = torch.from_numpy(level.astype(np.float32))[:, None].to(device)
        self.slack = torch.from_numpy((2.0001 * error).astype(np.float32))[:, None].to(device)
        self.best = torch.full((len(error), self.depth), -torch.inf, device=device)
        self.above = torch.zeros(len(error), dtype=torch.int64, device=device)

    def add(self, near: Tensor, start: int) -> None:
        """Take in the approximate scores (B, n) of the items from `start` on; n is a multiple of the group."""
        groups = near.view(len(near), -1, GROUP)
        peaks = groups.amax(dim=2)
        self._compare(groups, peaks, start)
        if self.depth:
            self._collect(groups, peaks, start)

    def _compare(self, groups: Tensor, peaks: Tensor, start: int) -> None:
        rows, places = torch.nonzero(peaks >= self.low, as_tuple=True)
        if len(rows) > MANY * peaks.numel():  # to look into all costs less than to pick so many
            places = torch.arange(peaks.shape[1], device=peaks.device).repeat(len(peaks))
            rows = torch.arange(len(peaks), device=peaks.device).repeat_interleave(peaks.shape[1])
            values = groups.view(-1, GROUP)
        else:
            values = groups[rows, places]
        # Comparing into numbers and adding those up is several times as fast as counting truth values.
        marks = torch.empty_like(values)
        above = torch.gt(values, self.high[rows], out=marks).sum(dim=1)
        self.above.index_add_(0, rows, above.long())
        unsure = torch.nonzero(torch.ge(values, self.low[rows], out=marks).sum(dim=1) > above).squeeze(1)
        values, rows, places = values[unsure], rows[unsure], places[unsure]
        within = (values >= self.low[rows]) & (values <= self.high[rows])
        found, inside = torch.nonzero(within, as_tuple=True)
        self._doubtful.append(_pairs(rows[found], start + GROUP * places[found] + inside))

    def _collect(self, groups: Tensor, peaks: Tensor, start: int) -> None:
        # As many groups have a peak as high as items are wanted, so that the last of these scores no less.
        self.best = torch.cat([self.best, peaks], dim=1).topk(self.depth, dim=1).values
        bound = self.best[:, -1:] - self.slack
        rows, places = torch.nonzero((peaks >= bound) & (peaks > -torch.inf), as_tuple=True)
        values = groups[rows, places]
        found, inside = torch.nonzero((values >= bound[rows]) & (values > -torch.inf), as_tuple=True)
        self._candidates.append(_pairs(rows[found], start + GROUP * places[found] + inside))
        self._values.append(values[found, inside].double().cpu().numpy())

    def sifted(self, error: Doubles) -> Sifted:
        """Return what was found in all tiles."""
        none: Ints = np.empty((2, 0), dtype=np.int64)
        doubtful = np.concatenate([none, *self._doubtful], axis=1)
        candidates = np.concatenate([none, *self._candidates], axis=1)
        values = np.concatenate([np.empty(0), *self._values])
        if self.depth:
            kept = values >= (self.best[:, -1:] - self.slack).cpu().numpy()[candidates[0], 0]
            candidates, values = candidates[:, kept], values[kept]
        return Sifted(self.above.cpu().numpy(), doubtful, candidates, values)


def _pairs(rows: Tensor, items: Tensor) -> Ints:
    pairs: Ints = torch.stack([rows, items]).cpu().numpy()
    return pairs


def _placed(numbers: Ints, beside: Tensor) -> Tensor:
    return torch.from_numpy(numbers).to(beside.device)
