"""The Serve application is built from checked arguments, and pins what it serves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

import serve_apps.search
from cirray.bundles import Bundle
from cirray.config import from_mapping
from cirray.errors import ArtifactError, ConfigError, MismatchError, StorageError
from cirray.index import SearchOptions
from cirray.service import ServiceConfig, ServingSet, build_app, shard_name
from cirray.service.builder import INGRESS
from cirray.service.deployments import ShardReplica
from cirray.storage import Root
from tests.service_world import DATASET, INDEX, MODEL, SPLIT, put_bundle, put_gallery_index

CONFIG_FILE = Path(serve_apps.search.__file__).with_name("search.yaml")


@pytest.fixture
def own_root(tiny_root: Root, tmp_path: Path) -> Root:
    shutil.copytree(tiny_root.place.path, tmp_path / "root")
    return Root.open(str(tmp_path / "root"))


def bound_config(app: Any) -> ServiceConfig:
    config: ServiceConfig = app._bound_deployment.init_args[0]
    return config


def test_the_live_version_is_looked_up_once_and_pinned(own_root: Root) -> None:
    before = own_root.index(INDEX).open().version
    app = build_app({"root": own_root.uri, "index": INDEX})
    config = bound_config(app)
    opened = ServingSet.open(own_root, INDEX)
    newer = put_gallery_index(own_root, opened.open_bundle(), opened.dataset, num_shards=3)
    assert newer.version != before
    assert (config.root, config.version) == (own_root.uri, before)
    assert ShardReplica(config, 1).version == before
    assert bound_config(build_app({"root": own_root.uri, "index": INDEX})).version == newer.version


def test_a_version_can_be_asked_for(own_root: Root) -> None:
    before = own_root.index(INDEX).open().version
    opened = ServingSet.open(own_root, INDEX)
    put_gallery_index(own_root, opened.open_bundle(), opened.dataset, num_shards=3)
    app = build_app({"root": own_root.uri, "index": INDEX, "version": before})
    assert bound_config(app).version == before


def test_a_relative_root_becomes_an_address_that_replicas_can_open(
    own_root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_root.place.path)
    assert bound_config(build_app({"root": ".", "index": INDEX})).root == own_root.uri


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indx": "tiny"}, "index"),
        ({"cpus_per_replica": "many"}, "cpus_per_replica"),
        ({"min_coverage": 2.0}, "min_coverage"),
        ({"root": None}, "root"),
    ],
)
def test_a_wrong_argument_is_named(tiny_root: Root, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_app({"root": tiny_root.uri, "index": INDEX, **change})


def test_what_is_not_there_is_said_before_anything_starts(tiny_root: Root, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        build_app({"root": str(tmp_path / "nowhere"), "index": INDEX})
    with pytest.raises(ArtifactError, match="cirray index build"):
        build_app({"root": tiny_root.uri, "index": "other"})
    with pytest.raises(ArtifactError, match="has no version 'v9'"):
        build_app({"root": tiny_root.uri, "index": INDEX, "version": "v9"})


def test_another_model_under_the_same_name_is_refused(own_root: Root) -> None:
    opened = ServingSet.open(own_root, INDEX)
    (own_root.model(MODEL).place / opened.bundle.version).delete()
    put_bundle(own_root, opened.dataset, seed=1, version_of=0)
    other = Bundle.open(own_root.model(MODEL).open(opened.bundle.version))
    with pytest.raises(MismatchError) as raised:
        build_app({"root": own_root.uri, "index": INDEX})
    assert opened.bundle.digest in str(raised.value)
    assert other.fingerprint in str(raised.value)


def test_another_dataset_under_the_same_name_is_refused(own_root: Root, tiny_root: Root) -> None:
    opened = ServingSet.open(own_root, INDEX)
    manifest = opened.dataset.artifact.place / "manifest.json"
    kept = [entry for entry in opened.dataset.artifact.manifest.files if SPLIT not in entry.name]
    changed = opened.dataset.artifact.manifest.model_copy(update={"files": tuple(kept)})
    manifest.write(changed.model_dump_json().encode())
    with pytest.raises(MismatchError, match=f"dataset {DATASET}@"):
        build_app({"root": own_root.uri, "index": INDEX})


def test_a_shard_answers_only_for_its_own_version(tiny_root: Root) -> None:
    config = bound_config(build_app({"root": tiny_root.uri, "index": INDEX}))
    replica = ShardReplica(config, 0)
    queries = replica.shard.vectors()[:2]
    answers = replica.ask(replica.version, queries, [SearchOptions(3)] * 2)
    assert answers is not None
    assert [answer.hits[0].item_id for answer in answers] == replica.shard.item_ids[:2]
    assert replica.ask("another", queries, [SearchOptions(3)] * 2) is None
    assert (replica.serves(replica.version), replica.serves("another")) == (True, False)


def test_the_declarative_config_fits_serve_and_the_application(tiny_root: Root) -> None:
    document = yaml.safe_load(CONFIG_FILE.read_text())
    schema = ServeDeploySchema.model_validate(document)
    assert schema.http_options.host == "127.0.0.1"
    (app,) = schema.applications
    assert app.import_path == "serve_apps.search:build_app"
    from_mapping(ServiceConfig, app.args)
    assert [deployment.name for deployment in app.deployments] == [INGRESS, shard_name(0), shard_name(1)]
    assert serve_apps.search.build_app is build_app
