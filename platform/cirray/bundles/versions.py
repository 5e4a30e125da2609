"""The registry as it is read: all versions of all models under a root, with their aliases and evaluations."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from cirray.bundles.description import BundleDetails
from cirray.bundles.evaluations import EvaluationRecord, list_evaluations
from cirray.config import Config
from cirray.errors import ArtifactError
from cirray.storage import Artifact, FileStat, Root, read_alias
from cirray.storage.alias import ALIAS_NAME
from cirray.storage.artifact import MANIFEST

READERS = 16
"""Versions that are read at the same time: a store takes its time for each."""


class ModelVersion(Config):
    """One version of a model, or what is wrong with it.

    Attributes:
        name: of the model.
        version: of the bundle.
        uri: of its folder.
        made: when it was finished, in UTC.
        aliases: that point at it.
        fingerprint: of its content.
        dataset: "name@version" that it was trained on.
        dataset_fingerprint: of that one's content; empty where it was not kept.
        parameters: number of weights.
        evaluations: of it.
        problem: why nothing more can be told; empty where all is well.
    """

    name: str
    version: str
    uri: str
    made: datetime
    aliases: tuple[str, ...] = ()
    fingerprint: str = ""
    dataset: str = ""
    dataset_fingerprint: str = ""
    parameters: int = 0
    evaluations: tuple[EvaluationRecord, ...] = ()
    problem: str = ""


def list_models(root: Root, pattern: str = "*") -> list[ModelVersion]:
    """Return the finished versions of the models whose names match a shell pattern, by name and from old to new.

    A version that cannot be read is listed with its problem, and hides none of the others.

    Raises:
        ArtifactError: an alias is corrupt.
        StorageError: the root cannot be listed.
    """
    files = list((root.place / "models").files())  # one listing, where asking each shelf would take many
    finished = {_name_and_version(file): file for file in files if file.path.endswith(f"/{MANIFEST}")}
    wanted = [key for key in finished if key[0] and fnmatch.fnmatchcase(key[0], pattern)]
    aliases = _aliases(root, files, {name for name, _ in wanted})
    with ThreadPoolExecutor(READERS) as pool:
        read = pool.map(lambda key: _read(root, key, finished[key], aliases.get(key, ())), wanted)
        return sorted(read, key=lambda model: (model.name, model.made, model.version))


def _name_and_version(manifest: FileStat) -> tuple[str, str]:
    name, _, version = manifest.path.removesuffix(f"/{MANIFEST}").rpartition("/")
    return name, version


def _aliases(root: Root, files: list[FileStat], names: set[str]) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Return the aliases by the name and version that they point at."""
    found: dict[tuple[str, str], tuple[str, ...]] = defaultdict(tuple)
    for file in files:
        name, _, last = file.path.rpartition("/")
        alias = last.removesuffix(".json")
        if name not in names or alias == last or not ALIAS_NAME.fullmatch(alias):
            continue
        if pointed := read_alias(root.place / "models" / name, alias):
            found[name, pointed.version] += (alias,)
    return found


def _read(root: Root, key: tuple[str, str], manifest: FileStat, aliases: tuple[str, ...]) -> ModelVersion:
    name, version = key
    place = root.place / "models" / name / version
    made = datetime.fromtimestamp(manifest.modified_ns // 10**9, UTC)
    try:
        artifact = Artifact.open(place, "bundle")
        return ModelVersion(
            name=name,
            version=version,
            uri=place.uri,
            made=made,
            aliases=aliases,
            fingerprint=artifact.digest,
            dataset=artifact.details(BundleDetails).dataset,
            dataset_fingerprint=artifact.manifest.inputs.get("dataset", ""),
            parameters=artifact.manifest.counts.get("parameters", 0),
            evaluations=tuple(list_evaluations(artifact)),
        )
    except ArtifactError as error:
        return ModelVersion(name=name, version=version, uri=place.uri, made=made, aliases=aliases, problem=str(error))
