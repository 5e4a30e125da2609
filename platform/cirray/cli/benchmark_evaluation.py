"""What ranking every query of an evaluation costs, beside a full sort of each query's scores."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

import numpy as np
import torch

from cirray.cli.benchmark import Measurement, Results
from cirray.cli.memory import PeakMemory
from cirray.config import Config
from cirray.evaluation import RankingTask, rank
from cirray.evaluation.outcomes import HITS
from cirray.evaluation.ranking import BLOCK
from cirray.evaluation.sieve import TILE
from cirray.exact import Floats, Ints

CUTOFFS = (1, 5, 10, 50)

T = TypeVar("T")


class EvaluationSettings(Config):
    """How much is measured.

    Attributes:
        queries: that are ranked.
        items: of the gallery.
        dim: size of the vectors.
        sampled: queries, spread over all, that are sorted in full; the time of all follows from theirs.
        repeats: how often each is timed; the median of the ratios counts.
        noise: range of the noise that a query has over its target's vector; it decides the recall.
        seed: of the vectors.
        judged: whether the goals are judged; what is small fits into the caches of a processor.
    """

    queries: int = 30_000
    items: int = 30_000
    dim: int = 512
    sampled: int = 600
    repeats: int = 3
    noise: tuple[float, float] = (2.0, 12.0)
    seed: int = 0
    judged: bool = True


QUICK = EvaluationSettings(queries=4096, items=8192, sampled=64, repeats=1, judged=False)


def run_benchmark(settings: EvaluationSettings) -> Results:
    """Return the time of ranking all queries, as a ratio to a full sort, and its memory."""
    results = Results("evaluation", settings.model_dump(mode="json"))
    task, targets = draw_task(settings)
    sample = np.linspace(0, settings.queries - 1, settings.sampled).astype(np.int64)
    rank(RankingTask(task.queries[:64], task.gallery, task.answers[:64], task.excluded[:64]), HITS)  # warms up
    plain, ours, with_hits, products = [], [], [], []
    for _ in range(settings.repeats):
        order, seconds = _timed(lambda: sorted_ranks(task, targets, sample))
        plain.append(seconds * settings.queries / settings.sampled)
        products.append(_timed(lambda: _bare_products(task))[1])
        ranking, seconds = _timed(lambda: rank(task))
        ours.append(seconds)
        with_hits.append(_timed(lambda: rank(task, HITS))[1])
    ratio = median(theirs / own for theirs, own in zip(plain, ours, strict=True))
    wrong = max(abs(int(np.sum(order <= k)) - int(np.sum(ranking.ranks[sample] <= k))) for k in CUTOFFS)
    scaled = f"timed on {settings.sampled:,} queries and scaled to {settings.queries:,}"
    told = ", ".join(f"R@{k} {100 * np.mean(ranking.ranks <= k):.1f}" for k in CUTOFFS)
    results.add(
        Measurement("full argsort a query", median(plain), "s", note=scaled),
        Measurement("rank", median(ours), "s", note=told),
        Measurement(f"rank, with {HITS} hits a query", median(with_hits), "s"),
        Measurement.at_least("full argsort / rank", ratio, "ratio", 20, judged=settings.judged),
        Measurement("matrix products / rank", median(products) / median(ours), "ratio", note="float32, same tiles"),
        Measurement("matrix products alone", _gigaflops(settings) / median(products), "GFLOP/s"),
        Measurement.at_most("queries counted otherwise", wrong, "queries", 0),
        _memory(task),
    )
    return results


def draw_task(settings: EvaluationSettings) -> tuple[RankingTask, Ints]:
    """Return queries that lie near their target, some closer than others, and the targets."""
    generator = np.random.default_rng(settings.seed)
    gallery = _unit(generator.standard_normal((settings.items, settings.dim), dtype=np.float32))
    targets = generator.integers(0, settings.items, settings.queries)
    noise = _unit(generator.standard_normal((settings.queries, settings.dim), dtype=np.float32))
    noise *= generator.uniform(*settings.noise, (settings.queries, 1)).astype(np.float32)
    references = (targets + generator.integers(1, settings.items, settings.queries)) % settings.items
    answers = [targets[query : query + 1] for query in range(settings.queries)]
    return RankingTask(_unit(gallery[targets] + noise), gallery, answers, references), targets


def sorted_ranks(task: RankingTask, targets: Ints, sample: Ints) -> Ints:
    """Return the ranks of the sampled queries' targets, as released codes find them: each query by a full sort."""
    ranks = np.empty(len(sample), dtype=np.int64)
    for place, query in enumerate(sample):
        scores = task.queries[query] @ task.gallery.T
        scores[task.excluded[query]] = -np.inf
        ranks[place] = 1 + np.flatnonzero(np.argsort(-scores) == targets[query])[0]
    return ranks


def _bare_products(task: RankingTask) -> None:
    queries, gallery = torch.from_numpy(task.queries), torch.from_numpy(task.gallery)
    for start in range(0, len(queries), BLOCK):
        for first in range(0, len(gallery), TILE):
            torch.mm(queries[start : start + BLOCK], gallery[first : first + TILE].T)


def _memory(task: RankingTask) -> Measurement:
    with PeakMemory() as before:
        pass
    with PeakMemory() as during:
        rank(task, HITS)
    all_scores = len(task.queries) * len(task.gallery) * 4 / 2**20
    note = f"above the vectors; all scores at once would take {all_scores:,.0f}"
    return Measurement("peak memory of ranking", max(0.0, during.peak_mib - before.peak_mib), "MiB", note=note)


def _gigaflops(settings: EvaluationSettings) -> float:
    return 2e-9 * settings.queries * settings.items * settings.dim


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started
