"""Losses against pytorch-metric-learning: where they are the same, and how they differ where they are not.

The library is no dependency of cirray: it brings scikit-learn and SciPy along, lists triplets one by one, which takes
B³ indices, and over several workers lets each compute the whole batch, without the gradient of weights that a loss
has of its own.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cirray.objectives.additive_margin import additive_margin
from cirray.objectives.batch_classification import batch_classification
from cirray.objectives.batch_hard import batch_hard
from cirray.objectives.bidirectional_hinge import bidirectional_hinge
from cirray.objectives.soft_triplet import sampled_soft_triplet, soft_triplet

pytest.importorskip("pytorch_metric_learning")
distances: Any = pytest.importorskip("pytorch_metric_learning.distances")
pml_losses: Any = pytest.importorskip("pytorch_metric_learning.losses")
miners: Any = pytest.importorskip("pytorch_metric_learning.miners")
reducers: Any = pytest.importorskip("pytorch_metric_learning.reducers")

ROWS, DIM = 7, 4
LABELS = torch.arange(ROWS)
OTHERS = LABELS.clone()
"""The labels of other vectors; given the very same tensor, the library would take them for the same vectors."""


def rows() -> tuple[Tensor, Tensor]:
    both = torch.randn(2, ROWS, DIM, generator=torch.Generator().manual_seed(0))
    both[1] = both[0] + 0.7 * both[1]
    unit = torch.nn.functional.normalize(both, dim=2)
    return unit[0], unit[1]


def euclidean(power: int) -> Any:
    return distances.LpDistance(normalize_embeddings=False, power=power)


def triplet_loss(power: int, **settings: Any) -> Any:
    return pml_losses.TripletMarginLoss(distance=euclidean(power), reducer=reducers.MeanReducer(), **settings)


def test_batch_classification_is_ntxent_with_one_over_the_squared_scale_as_temperature() -> None:
    queries, targets = rows()
    theirs = pml_losses.NTXentLoss(temperature=1 / 16)(queries, LABELS, ref_emb=targets, ref_labels=OTHERS)
    torch.testing.assert_close(batch_classification(4 * queries, 4 * targets), theirs)


def test_the_soft_triplet_is_the_smooth_triplet_loss_without_a_margin() -> None:
    queries, targets = rows()
    loss = triplet_loss(2, margin=0, smooth_loss=True)
    theirs = loss(queries, LABELS, ref_emb=targets, ref_labels=OTHERS)
    torch.testing.assert_close(soft_triplet(queries, targets, "squared-l2"), theirs)
    both_ways = loss(torch.cat([queries, targets]), LABELS.repeat(2))
    torch.testing.assert_close(sampled_soft_triplet(queries, targets, "squared-l2", 2 * ROWS - 2), both_ways)


def test_batch_hard_is_the_triplet_loss_of_the_batch_hard_miner() -> None:
    queries, targets = rows()
    vectors, labels = torch.cat([queries, targets]), LABELS.repeat(2)
    hardest = miners.BatchHardMiner(distance=euclidean(2))(vectors, labels)
    theirs = triplet_loss(2, margin=1)(vectors, labels, hardest)
    torch.testing.assert_close(batch_hard(queries, targets, 1.0, "squared-l2"), theirs)


def test_the_hinge_with_the_hardest_negatives_is_that_of_the_batch_hard_miner_both_ways() -> None:
    queries, targets = rows()
    theirs = torch.zeros(())
    for anchors, positives in ((queries, targets), (targets, queries)):
        hardest = miners.BatchHardMiner(distance=euclidean(1))(anchors, LABELS, positives, OTHERS)
        theirs = theirs + triplet_loss(1, margin=0.5)(anchors, LABELS, hardest, positives, OTHERS)
    torch.testing.assert_close(bidirectional_hinge(queries, targets, 0.5, "hardest"), theirs)


def test_their_semi_hard_miner_keeps_all_such_negatives_and_ours_the_closest_of_each_anchor() -> None:
    queries, targets = rows()
    ours, theirs = torch.zeros(()), torch.zeros(())
    for anchors, positives in ((queries, targets), (targets, queries)):
        miner = miners.TripletMarginMiner(margin=0.5, type_of_triplets="semihard", distance=euclidean(1))
        anchor, positive, negative = miner(anchors, LABELS, positives, OTHERS)
        values = 0.5 + (anchors[anchor] - positives[positive]).norm(dim=1)
        values = values - (anchors[anchor] - positives[negative]).norm(dim=1)
        theirs = theirs + values.mean()
        closest = torch.zeros(ROWS).scatter_reduce(0, anchor, values, "amax")
        ours = ours + closest.mean()
        assert len(anchor) > ROWS, "or there is no difference to show"
    torch.testing.assert_close(bidirectional_hinge(queries, targets, 0.5, "semi-hard"), ours)
    assert abs(ours.item() - theirs.item()) > 1e-3


def test_cosface_multiplies_its_margin_by_the_scale_and_compares_with_weights_of_its_own() -> None:
    queries, targets = rows()
    loss = pml_losses.CosFaceLoss(num_classes=ROWS, embedding_size=DIM, margin=0.3 / 25, scale=25)
    loss.W.data = targets.T.clone()
    torch.testing.assert_close(additive_margin(25 * queries @ targets.T, 0, 0.3), loss(queries, LABELS))
