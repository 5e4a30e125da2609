"""The model artifact: weights, configuration, preprocessing, vocabulary and provenance."""

from cirray.bundles.bundle import Bundle, BundleDescription, save_bundle
from cirray.bundles.evaluations import EvaluationRecord, find_evaluation, save_evaluation

__all__ = [
    "Bundle",
    "BundleDescription",
    "EvaluationRecord",
    "find_evaluation",
    "save_bundle",
    "save_evaluation",
]
