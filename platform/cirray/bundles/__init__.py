"""The model artifact: weights, configuration, preprocessing, vocabulary and provenance."""

from cirray.bundles.bundle import Bundle
from cirray.bundles.description import BundleDescription, BundleDetails
from cirray.bundles.evaluations import (
    EvaluationRecord,
    complete_card,
    find_evaluation,
    list_evaluations,
    page_place,
    read_outcomes,
    save_evaluation,
)
from cirray.bundles.explanation import Explanation, explain
from cirray.bundles.gate import Gate, Verdict
from cirray.bundles.history import LIVE, Move, PromotedAlias, read_promotions
from cirray.bundles.promotion import promote, rollback
from cirray.bundles.saving import save_bundle
from cirray.bundles.versions import ModelVersion, list_models

__all__ = [
    "LIVE",
    "Bundle",
    "BundleDescription",
    "BundleDetails",
    "EvaluationRecord",
    "Explanation",
    "Gate",
    "ModelVersion",
    "Move",
    "PromotedAlias",
    "Verdict",
    "complete_card",
    "explain",
    "find_evaluation",
    "list_evaluations",
    "list_models",
    "page_place",
    "promote",
    "read_outcomes",
    "read_promotions",
    "rollback",
    "save_bundle",
    "save_evaluation",
]
