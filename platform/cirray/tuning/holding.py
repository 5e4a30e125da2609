"""What the workers of trials hold of the cluster, and who gives it back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private.state import actors
from ray.util import placement_group_table, remove_placement_group
from ray.util.placement_group import PlacementGroup

DYING_SECONDS = 20.0
"""How long the actors of a sweep that has ended are waited for."""
POLL_SECONDS = 0.5


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
    does not always free it when the driver ends. As long as the run's controller lives it may still ask.
    """
    held, alive = _held(), _alive()
    try:
        yield
    finally:
        deadline = time.monotonic() + DYING_SECONDS
        while (_alive() - alive) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)  # Ray tells nobody of an actor's death but who asks
        # What a controller asked for with its last breath may be on its way still.
        time.sleep(POLL_SECONDS)
        for group in _held() - held:
            give_back(group)


def _alive() -> set[str]:
    """Return the ids of the actors of this driver's job that live or may yet, but for those meant to outlive it."""
    # The state API says the same, but only where there is a dashboard.
    found = actors(job_id=ray.JobID.from_hex(ray.get_runtime_context().get_job_id()))
    return {name for name, actor in found.items() if actor["State"] != "DEAD" and not actor["IsDetached"]}


def _held() -> set[str]:
    """Return the ids of the placement groups of this driver's job."""
    job = ray.get_runtime_context().get_job_id()
    table = placement_group_table()
    return {name for name, group in table.items() if name.endswith(job) and group["state"] != "REMOVED"}
