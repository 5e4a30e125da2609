"""Promotion and rollback: each is one conditional write, so that of two who saw the same state one loses."""

from __future__ import annotations

from collections.abc import Callable

from cirray.bundles.bundle import Bundle
from cirray.bundles.gate import Verdict
from cirray.bundles.history import LIVE, Move, PromotedAlias, read_promotions, read_promotions_with_tag
from cirray.errors import ArtifactError, ConfigError, ConflictError, MismatchError, PromotionError
from cirray.storage import Artifact, Root, write_alias
from cirray.storage.fingerprint import VERSION_LENGTH

Judge = Callable[[Artifact, Artifact | None], Verdict]
"""From a candidate and the live bundle, if there is one, to the verdict; raises where the candidate does not pass."""


def promote(
    root: Root,
    name: str,
    version: str | None,
    judge: Judge,
    *,
    by: str,
    reason: str = "",
    force: bool = False,
    alias: str = LIVE,
) -> tuple[PromotedAlias, bool]:
    """Point an alias at a version that passes the gate; return the alias and whether it was moved.

    Args:
        root: of everything.
        name: of the model.
        version: of its bundle, or an alias of that; None for the latest.
        judge: the gate.
        by: who promotes.
        reason: why; needed with `force`.
        force: whether to promote what does not pass, or was not measured. Neither a fault of the bundle itself nor a
            mistake in the question is overruled.
        alias: to move.

    Raises:
        ConfigError: `force` without a reason, or the alias is none that can be promoted to.
        ArtifactError: the bundle is unfinished, corrupt or another model's, or the gate's dataset is.
        PromotionError: it does not pass.
        ConflictError: somebody else moved the alias meanwhile.
        StorageError: the alias cannot be read or written.
    """
    if force and not reason.strip():
        raise ConfigError("A promotion past the gate is recorded with its reason.", hint="Give --reason.")
    found = read_promotions_with_tag(root, name, alias)
    candidate = open_whole(root, name, version)
    before = found[0].version if found else None
    if found and before == candidate.version:
        return found[0], False
    verdict, overruled = None, ""
    try:
        verdict = judge(candidate, _open_live(root, name, before) if before else None)
    except (PromotionError, ArtifactError) as error:
        if not force:
            raise
        overruled = error.message
    move = Move(
        action="promote",
        version=candidate.version,
        before=before,
        by=by,
        reason=reason,
        verdict=verdict,
        overruled=overruled,
    )
    return _publish(root, name, alias, found, move), True


def rollback(
    root: Root, name: str, *, by: str, reason: str, to: str | None = None, alias: str = LIVE
) -> PromotedAlias:
    """Point an alias at what it pointed at before the last promotion that still stands; return the alias.

    Args:
        root: of everything.
        name: of the model.
        by: who does it.
        reason: why.
        to: the version to go back to; None for the one before.
        alias: to move.

    Raises:
        ConfigError: the alias is none that is promoted to, or there is no reason.
        ArtifactError: the version to go back to is unfinished, corrupt or gone.
        PromotionError: there is nothing to go back to.
        ConflictError: somebody else moved the alias meanwhile.
        StorageError: the alias cannot be read or written.
    """
    if not reason.strip():
        raise ConfigError("A rollback is recorded with its reason.", hint="Give --reason.")
    found = read_promotions_with_tag(root, name, alias)
    if found is None:
        raise PromotionError(f"Nothing was ever promoted to {alias!r} of model {name}, and nothing can be undone.")
    earlier = found[0].standing[:-1]
    if not earlier or (to is not None and to not in earlier):
        raise PromotionError(
            f"Alias {alias!r} of model {name} points at {found[0].version} and cannot go back to "
            f"{to or 'what was before'}: before it stood {', '.join(reversed(earlier)) or 'none'}.",
            hint="`cirray models promote` goes to any version.",
        )
    target = to or earlier[-1]
    try:
        open_whole(root, name, target)
    except ArtifactError as error:
        raise ArtifactError(
            f"{name}@{target} cannot take over: {error}", hint="Give --to for one further back."
        ) from error
    move = Move(action="rollback", version=target, before=found[0].version, by=by, reason=reason)
    return _publish(root, name, alias, found, move)


def open_whole(root: Root, name: str, version: str | None) -> Artifact:
    """Return a version of a model, after making sure that it is what its place says, whole, and can be used.

    Raises:
        ArtifactError: it is unfinished, or a file is missing, changed or does not fit.
        MismatchError: it was copied from another model or version.
        StorageError: it cannot be read.
    """
    artifact = root.model(name).open(version)
    manifest = artifact.manifest
    if (manifest.name, manifest.fingerprint[:VERSION_LENGTH]) != (name, artifact.version):
        raise MismatchError(
            f"The bundle at {artifact.place} is of {manifest.name}@{manifest.fingerprint[:VERSION_LENGTH]}, not of "
            f"{name}@{artifact.version}.",
            hint="A bundle keeps the name and the version under which it was trained: delete the copy.",
        )
    for entry in manifest.files:
        if (artifact.place / entry.path).size() != entry.bytes:
            raise ArtifactError(
                f"{artifact.place / entry.path} is missing or has another size than the {entry.bytes} bytes that the "
                "manifest lists.",
                hint="Train again.",
            )
    Bundle.open(artifact)
    return artifact


def _open_live(root: Root, name: str, version: str) -> Artifact:
    try:
        return root.model(name).open(version)
    except ArtifactError as error:
        raise PromotionError(
            f"The live model {name}@{version} cannot be compared with: {error}",
            hint="Roll back to one that is there, or give --force with a --reason.",
        ) from error


def _publish(root: Root, name: str, alias: str, found: tuple[PromotedAlias, str] | None, move: Move) -> PromotedAlias:
    moves = (*(found[0].moves if found else ()), move)
    moved = PromotedAlias(version=move.version, generation=len(moves), moves=moves)
    try:
        write_alias(root.model(name).place, alias, moved, found[1] if found else None)
    except ConflictError:
        # A store's answer can be lost after it wrote, and the second try then meets what the first one left.
        now = read_promotions(root, name, alias)
        if now is None or move not in now.moves:
            last = f"to {now.version} by {now.moves[-1].by}" if now else "away"
            raise ConflictError(
                f"Alias {alias!r} of model {name} was moved {last} in between.",
                hint="Try again: what is to take its place is then compared with that.",
            ) from None
    return moved
