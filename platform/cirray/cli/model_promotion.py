"""What `models promote` and `models rollback` do."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass

from cirray.bundles import BundleDetails, Gate, PromotedAlias, Verdict, find_evaluation, promote, rollback
from cirray.cli.display import Display
from cirray.cli.operations import evaluate_bundle, open_dataset
from cirray.errors import ConfigError
from cirray.evaluation import protocol_of, protocols
from cirray.storage import Artifact, Root


@dataclass(frozen=True)
class Asked:
    """What is asked of a candidate; where something is None, what its training suggests.

    Attributes:
        dataset: on which both models are measured.
        split: whose queries.
        protocol: by whose rules.
        metric: that is compared.
        margin: by which the candidate must be better.
        minimum: that it must reach.
        measure: whether a figure that is missing is measured now; None for yes, unless the promotion is forced.
    """

    dataset: str | None
    split: str
    protocol: str | None
    metric: str
    margin: float
    minimum: float | None
    measure: bool | None = None


@dataclass(frozen=True)
class Moved:
    """What became of an alias.

    Attributes:
        model: name of the model.
        alias: which.
        state: of the alias.
        changed: whether it was moved now.
    """

    model: str
    alias: str
    state: PromotedAlias
    changed: bool = True


def promote_model(
    root: Root, model: str, asked: Asked, force: bool, reason: str, by: str | None, alias: str
) -> Moved:
    """Promote the version "name", "name@version" or "name@alias" of a model.

    What the gate compares is measured first where it never was: the figures of both models on the gate's own split,
    which whoever chose the candidate had better not have looked at.
    """
    display = Display.stderr()
    name, _, version = model.partition("@")

    # Who forces a promotion is in a hurry, and does not go by the figures.
    measure = not force if asked.measure is None else asked.measure

    def judge(candidate: Artifact, live: Artifact | None) -> Verdict:
        gate = _gate(root, candidate, asked)
        for bundle in (candidate, live) if measure else ():
            if bundle is not None and find_evaluation(bundle, gate.dataset, gate.split, gate.protocol) is None:
                evaluate_bundle(bundle, gate.dataset, gate.split, gate.protocol, display)
        return gate.judge(candidate, live)

    state, changed = promote(
        root, name, version or None, judge, by=by or whoever(), reason=reason, force=force, alias=alias
    )
    if not changed:
        display.say(f"unchanged: {alias!r} of {name} is {state.version} already")
    elif state.moves[-1].overruled:
        display.say(f"forced: {state.moves[-1].overruled}")
    return Moved(name, alias, state, changed)


def roll_model_back(root: Root, name: str, reason: str, to: str | None, by: str | None, alias: str) -> Moved:
    """Return an alias of a model to what it was before.

    Raises:
        ConfigError: a version was given with the name.
    """
    if "@" in name:
        raise ConfigError(f"{name!r} names a version, where the model's name is needed.", hint="Give it by --to.")
    with Display.stderr().step(f"roll {name} back"):
        return Moved(name, alias, rollback(root, name, by=by or whoever(), reason=reason, to=to, alias=alias))


def whoever() -> str:
    """Return who this process runs for, as far as the machine knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # in a container, a user may have a number and no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _gate(root: Root, candidate: Artifact, asked: Asked) -> Gate:
    data = open_dataset(root, asked.dataset or candidate.details(BundleDetails).dataset)
    rules = protocols[asked.protocol] if asked.protocol else protocol_of(data.reader)
    return Gate(data, rules, asked.split, asked.metric, asked.margin, asked.minimum)
