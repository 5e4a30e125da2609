"""What the workers of trials hold of the cluster, and who gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.util import placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup


def give_back(group: str) -> None:
    """Free what the workers of a stopped run hold, so that the next trial can have it.

    Ray Train leaves that to an actor that must reach the dashboard, and else holds it until the driver ends. What is
    freed already may be freed again.

    Args:
        group: id of their placement group.
    """
    remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group))))


@contextmanager
def giving_back() -> Iterator[None]:
    """At the end of the block, free what this driver's actors have come to hold in it.

    A run that is stopped while it asks for workers holds what it gets then, of which nobody has told us, and Ray
    does not always free it when the driver ends.
    """
    before = _held()
    try:
        yield
    finally:
        for group in _held() - before:
            give_back(group)


def _held() -> set[str]:
    """Return the ids of the placement groups of this driver's job."""
    job = ray.get_runtime_context().get_job_id()
    table = placement_group_table()
    return {name for name, group in table.items() if name.endswith(job) and group["state"] != "REMOVED"}
