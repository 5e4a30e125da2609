"""Protocols: how the queries of a benchmark are put and what counts as found. Figures compare within one only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cirray.config import Config
from cirray.evaluation.candidates import Candidates
from cirray.registry import Registry


class Protocol(Config):
    """The rules of an evaluation.

    Attributes:
        name: under which it is registered; every table of figures names it.
        readers: dataset readers for whose datasets this is the one to take if none is named.
        gallery: name of the gallery, in which "{split}" stands for the split's.
        exclude_reference: whether a query's reference is left out of its own ranking.
        joiner: between the texts of a triplet; None makes each text a query of its own.
        equality: whether an item is found by the target's label, so that copies count, or by its id alone.
        by_category: "no"; "queries": metrics for the queries of each category, over one gallery; "galleries": each
            category besides has a gallery of its own. The overall figure is then the mean over the categories.
        cutoffs: of recall.
        subset_cutoffs: of recall among the items of each query's subset, where it has one.
        map_cutoffs: of mean average precision over all targets of a query.
        candidates: for classification in the place of retrieval, the texts among which the model must find each
            picture's label: there are then no queries, references or galleries, and the cutoffs are of the accuracy.
        headline: metrics whose mean is the one figure by which methods are compared.
    """

    name: str
    readers: tuple[str, ...] = ()
    gallery: str = "{split}"
    exclude_reference: bool = True
    joiner: str | None = " and "
    equality: Literal["label", "id"] = "label"
    by_category: Literal["no", "queries", "galleries"] = "no"
    cutoffs: tuple[int, ...] = (1, 5, 10, 50)
    subset_cutoffs: tuple[int, ...] = ()
    map_cutoffs: tuple[int, ...] = ()
    candidates: Candidates | None = None
    headline: tuple[str, ...] = Field(("R@1",), min_length=1)

    @property
    def metric_names(self) -> list[str]:
        """Names of its metrics, as an evaluation has them: the headline is the last."""
        kinds = {
            "R" if self.candidates is None else "accuracy": self.cutoffs,
            "R_subset": self.subset_cutoffs,
            "mAP": self.map_cutoffs,
        }
        return [*(f"{kind}@{cutoff}" for kind, cutoffs in kinds.items() for cutoff in cutoffs), "mean"]


protocols: Registry[Protocol] = Registry("protocol")


def protocol_of(reader: str) -> Protocol:
    """Return the protocol to take for the datasets of a reader, "standard" where none is made for it."""
    made_for = (protocols[name] for name in protocols if reader in protocols[name].readers)
    return next(made_for, protocols["standard"])
