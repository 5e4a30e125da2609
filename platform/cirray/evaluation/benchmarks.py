"""The protocols of the field's benchmarks. Importing registers them."""

from __future__ import annotations

from cirray.evaluation.protocol import Protocol, protocols


def _register(protocol: Protocol) -> Protocol:
    return protocols.register(protocol.name)(protocol)


STANDARD = _register(Protocol(name="standard"))
"""TIRG's on CSS: the split's gallery, reference left out, copies of the target count. For any catalogue."""

FASHION_200K = _register(
    Protocol(name="fashion200k", readers=("fashion200k",), cutoffs=(1, 10, 50), headline=("R@1", "R@10", "R@50"))
)
"""TIRG's: all test pictures, the reference left out, found by equal caption."""

MIT_STATES = _register(Protocol(name="mit-states", readers=("mit-states",), cutoffs=(1, 5, 10)))
"""TIRG's: found by equal state and noun."""

MIT_STATES_COMPOSITIONS = _register(
    Protocol(
        name="mit-states-compositions",
        readers=("mit-states-compositions",),
        exclude_reference=False,
        candidates="split",
        cutoffs=(1,),
        headline=("accuracy@1",),
    )
)
"""Of Attributes as Operators and of TIRG: the share of test pictures whose pair is the nearest of the test pairs."""

MIT_STATES_COMPOSITIONS_OPEN = _register(
    MIT_STATES_COMPOSITIONS.model_copy(
        update={"name": "mit-states-compositions-open", "readers": (), "candidates": "all"}
    )
)
"""The same among the pairs of all splits, on MIT-States 1,962: the open world."""

CATALOG = _register(
    Protocol(
        name="catalog",
        readers=("catalog",),
        by_category="queries",
        cutoffs=(1, 10, 50),
        headline=("R@1", "R@10", "R@50"),
    )
)
"""For catalogues whose triplets follow from rules: the queries of each rule apart, and their mean."""

SHOES = _register(
    Protocol(name="shoes", readers=("shoes",), equality="id", cutoffs=(1, 10, 50), headline=("R@1", "R@10", "R@50"))
)
"""VAL's: the 4,658 test pictures, the reference left out, found by id."""

FASHIONIQ_A = _register(
    Protocol(
        name="fashioniq-a",
        readers=("fashioniq",),
        exclude_reference=False,
        equality="id",
        by_category="galleries",
        cutoffs=(10, 50),
        headline=("R@10", "R@50"),
    )
)
"""The challenge's: each category's full gallery with the reference in it, both captions joined."""

FASHIONIQ_A_EXCLUDED = _register(
    FASHIONIQ_A.model_copy(update={"name": "fashioniq-a-excluded", "readers": (), "exclude_reference": True})
)
"""As RTIC, CoSMo and ARTEMIS measure: "fashioniq-a" with the reference left out."""

FASHIONIQ_B = _register(
    FASHIONIQ_A.model_copy(
        update={
            "name": "fashioniq-b",
            "readers": (),
            "gallery": "{split}-union",
            "exclude_reference": True,
            "joiner": None,
        }
    )
)
"""VAL's: galleries of the references and targets alone, half the size; each caption is a query of its own."""

FASHIONIQ_B_JOINED = _register(FASHIONIQ_B.model_copy(update={"name": "fashioniq-b-joined", "joiner": " and "}))
"""As in CoSMo's main tables: VAL's galleries, both captions joined."""

FASHIONIQ_POOLED = _register(
    FASHIONIQ_A.model_copy(
        update={"name": "fashioniq-pooled", "readers": (), "by_category": "no", "joiner": " and it "}
    )
)
"""ComposeAE's: the galleries of all categories in one."""

CIRR = _register(
    Protocol(
        name="cirr",
        readers=("cirr",),
        equality="id",
        subset_cutoffs=(1, 2, 3),
        headline=("R@5", "R_subset@1"),
    )
)
"""Recall over the split without the reference, and among the five other pictures of each query's set."""

SEVERAL_TARGETS = _register(
    Protocol(name="several-targets", equality="id", map_cutoffs=(5, 10, 25, 50), headline=("mAP@5",))
)
"""CIRCO's: mean average precision over all targets of a query."""
