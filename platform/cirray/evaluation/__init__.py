"""Metrics and protocols. Importing registers the protocols of the benchmarks."""

from cirray.evaluation import benchmarks
from cirray.evaluation.evaluation import Evaluation, Metrics, evaluate
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.protocol import Protocol, protocol_of, protocols
from cirray.evaluation.ranking import NEVER, RankingTask, Scorer, answer_ranks, subset_ranks, target_ranks
from cirray.evaluation.recall import mean_average_precision_at, recall_at

__all__ = [
    "NEVER",
    "Evaluation",
    "Metrics",
    "Protocol",
    "RankingTask",
    "RetrievalModel",
    "Scorer",
    "answer_ranks",
    "benchmarks",
    "evaluate",
    "mean_average_precision_at",
    "protocol_of",
    "protocols",
    "recall_at",
    "subset_ranks",
    "target_ranks",
]
