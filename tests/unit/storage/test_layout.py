"""The root: shelves of versions, and errors that say where to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from cirray.errors import ArtifactError, ConfigError, StorageError
from cirray.storage import Manifest, Root, commit, move_alias, put_file

FINGERPRINTS = ("a" * 64, "b" * 64)


def stocked(uri: str) -> Root:
    root = Root.open(uri)
    shelf = root.dataset("toys")
    for fingerprint in FINGERPRINTS:
        place = shelf.version(fingerprint)
        entry = put_file(place, "x", fingerprint.encode())
        commit(place, Manifest(kind="dataset", name="toys", fingerprint=fingerprint, files=(entry,)))
    put_file(shelf.version("c" * 64), "x", b"never finished")
    shelf.point_at("a" * 16)
    return root


def test_a_shelf_opens_the_current_version_or_the_one_asked_for(place_uri: str) -> None:
    shelf = stocked(place_uri).dataset("toys")
    assert shelf.open().manifest.fingerprint == FINGERPRINTS[0]
    assert shelf.open("b" * 16).manifest.fingerprint == FINGERPRINTS[1]


def test_a_shelf_follows_any_alias(place_uri: str) -> None:
    shelf = stocked(place_uri).dataset("toys")
    with pytest.raises(ArtifactError, match=r"no version 'live'; there are: .* Nor was an alias 'live' ever set"):
        shelf.open("live")
    move_alias(shelf.place, "live", "b" * 16)
    assert shelf.open("live").manifest.fingerprint == FINGERPRINTS[1]
    assert shelf.open("latest").manifest.fingerprint == FINGERPRINTS[0]
    # What could be a version is none, and what leads elsewhere is not followed.
    move_alias(shelf.place, "b" * 16, "a" * 16)
    move_alias(Root.open(place_uri).place, "outside", "a" * 16)
    assert shelf.open("b" * 16).manifest.fingerprint == FINGERPRINTS[1]
    with pytest.raises(ArtifactError, match=r"no version '\.\./\.\./outside'"):
        shelf.open("../../outside")


def test_an_unfinished_version_is_not_one(place_uri: str) -> None:
    shelf = stocked(place_uri).dataset("toys")
    assert shelf.versions() == ["a" * 16, "b" * 16]
    assert shelf.has(FINGERPRINTS[0])
    assert not shelf.has("c" * 64)
    with pytest.raises(ArtifactError, match=f"no version '{'c' * 16}'; there are: {'a' * 16}, {'b' * 16}"):
        shelf.open("c" * 16)


@pytest.mark.parametrize(
    ("kind", "verb"), [("dataset", "cirray prepare"), ("model", "cirray train"), ("index", "cirray index build")]
)
def test_a_missing_artifact_names_the_verb_that_makes_it(place_uri: str, kind: str, verb: str) -> None:
    with pytest.raises(ArtifactError, match=verb):
        getattr(Root.open(place_uri), kind)("nothing").open()


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(StorageError, match="no folder"):
        Root.open(str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="no bucket"):
        Root.open("s3://no-such-bucket-at-all/prefix")


def test_a_root_can_be_made(tmp_path: Path) -> None:
    Root.open(str(tmp_path / "new" / "root"), create=True)
    assert (tmp_path / "new" / "root").is_dir()


@pytest.mark.parametrize("name", ["", "../x", "a/../b", "/a", "a/", "a//b", ".hidden", "a b", "a@b", "a\\b"])
def test_a_name_does_not_lead_out_of_the_root(tmp_path: Path, name: str) -> None:
    root = Root.open(str(tmp_path))
    for family in (root.raw, root.dataset, root.model, root.index):
        with pytest.raises(ConfigError, match="cannot be a name"):
            family(name)


def test_names_may_have_parts(tmp_path: Path) -> None:
    assert Root.open(str(tmp_path)).model("css-2d/tirg_1.0").place.uri.endswith("/models/css-2d/tirg_1.0")
