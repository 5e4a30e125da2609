"""Losses in all their forms: two workers with half the batch give what one with all of it gives."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cirray.config import from_mapping
from cirray.objectives import Batch, Loss, Texts, View, losses
from tests.small_models import fixed_view, small_retriever, text_features
from tests.two_workers import Case, Rows, run_cases

ROWS, DIM, SENTENCE = 8, 8, 6

FORMS: tuple[dict[str, Any], ...] = (
    {"name": "batch-classification", "scale": 3.0},
    {"name": "batch-classification", "direction": "to-queries"},
    {"name": "batch-classification", "direction": "both"},
    {"name": "sampled-classification", "candidates": ROWS, "sets": 2},
    {"name": "sampled-classification", "candidates": 2, "sets": ROWS - 1},
    {"name": "soft-triplet"},
    {"name": "soft-triplet", "similarity": "dot", "scale": 1.0},
    {"name": "soft-triplet", "negatives": "sampled", "triplets": 2 * ROWS - 2},
    {"name": "bidirectional-hinge", "margin": 0.4},
    {"name": "bidirectional-hinge", "mining": "hardest", "distance": "squared-l2"},
    {"name": "bidirectional-hinge", "mining": "all"},
    {"name": "additive-margin", "scale": 5.0},
    {"name": "batch-hard"},
    {"name": "batch-hard", "distance": "l2", "learn_scale": False},
)


def make(settings: dict[str, Any]) -> Loss:
    torch.manual_seed(0)
    kind = losses[str(settings["name"])]
    return kind(from_mapping(kind.Config, settings), small_retriever("tirg-last-conv"))


def described(rows: Rows) -> View:
    """Return a view of pictures of which the first half has fewer descriptions than the second."""
    number = len(rows["known"])
    texts = text_features(number, SENTENCE)
    blank = Texts(torch.ones(number, 1, dtype=torch.long), torch.ones(number, dtype=torch.long), rows["known"])
    pictures = torch.zeros(number, 16, 16, 3, dtype=torch.uint8)
    view = fixed_view(
        targets=rows["targets"],
        references=rows["references"],
        target_descriptions=replace(texts, sentence=rows["sentences"]),
        reference_descriptions=replace(texts, sentence=rows["others"]),
    )
    view.batch = Batch(pictures, blank.tokens, blank.lengths, pictures, blank, blank)
    return view


def test_two_workers_with_half_the_batch_give_the_gradients_of_one_with_all(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = dict(zip(("queries", "targets"), torch.randn(2, ROWS, DIM, generator=generator), strict=True))
    cases = {str(form): Case(partial(make, form), rows) for form in FORMS}
    pictures = dict(zip(("targets", "references"), torch.randn(2, ROWS, DIM, generator=generator), strict=True))
    texts = dict(zip(("sentences", "others"), torch.randn(2, ROWS, SENTENCE, generator=generator), strict=True))
    known = torch.tensor([True, False, False, False, True, True, True, False])
    for mining in ("semi-hard", "hardest", "all"):
        form = {"name": "vse", "mining": mining, "margin": 0.5}
        cases[str(form)] = Case(partial(make, form), {**pictures, **texts, "known": known}, described)
    for name, (two, one) in run_cases(cases, tmp_path).items():
        assert one["loss"] > 0, name
        assert any(value.abs().sum() > 0 for key, value in one.items() if key != "loss"), name
        torch.testing.assert_close({name: two}, {name: one}, rtol=1e-5, atol=1e-6)
