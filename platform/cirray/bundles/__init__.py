"""The model artifact: weights, configuration, preprocessing, vocabulary and provenance."""

from cirray.bundles.bundle import Bundle, BundleDescription, BundleDetails, save_bundle
from cirray.bundles.evaluations import (
    EvaluationRecord,
    find_evaluation,
    page_place,
    read_outcomes,
    save_evaluation,
)
from cirray.bundles.explanation import Explanation, explain

__all__ = [
    "Bundle",
    "BundleDescription",
    "BundleDetails",
    "EvaluationRecord",
    "Explanation",
    "explain",
    "find_evaluation",
    "page_place",
    "read_outcomes",
    "save_bundle",
    "save_evaluation",
]
