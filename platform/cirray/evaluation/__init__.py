"""Metrics and protocols."""

from cirray.evaluation.protocol import CUTOFFS, Evaluation, RetrievalModel, evaluate
from cirray.evaluation.ranking import NEVER, RankingTask, target_ranks
from cirray.evaluation.recall import recall_at

__all__ = [
    "CUTOFFS",
    "NEVER",
    "Evaluation",
    "RankingTask",
    "RetrievalModel",
    "evaluate",
    "recall_at",
    "target_ranks",
]
