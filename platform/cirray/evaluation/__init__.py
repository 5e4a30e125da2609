"""Metrics and protocols. Importing registers the protocols of the benchmarks."""

from cirray.evaluation import benchmarks
from cirray.evaluation.comparison import Difference, changed_queries, compare_outcomes
from cirray.evaluation.evaluation import Evaluation, check_judges, count_queries, evaluate
from cirray.evaluation.intervals import Interval, Spread, bootstrap_intervals, spread_of
from cirray.evaluation.model import RetrievalModel
from cirray.evaluation.outcomes import OUTCOMES, Metrics
from cirray.evaluation.protocol import Protocol, protocol_of, protocols
from cirray.evaluation.ranking import NEVER, Ranking, RankingTask, answer_ranks, rank
from cirray.evaluation.recall import average_precisions_at, recalled_at
from cirray.evaluation.scores import Scorer

__all__ = [
    "NEVER",
    "OUTCOMES",
    "Difference",
    "Evaluation",
    "Interval",
    "Metrics",
    "Protocol",
    "Ranking",
    "RankingTask",
    "RetrievalModel",
    "Scorer",
    "Spread",
    "answer_ranks",
    "average_precisions_at",
    "benchmarks",
    "bootstrap_intervals",
    "changed_queries",
    "check_judges",
    "compare_outcomes",
    "count_queries",
    "evaluate",
    "protocol_of",
    "protocols",
    "rank",
    "recalled_at",
    "spread_of",
]
