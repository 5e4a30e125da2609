"""The manifests of infra/kuberay: against KubeRay's and Serve's schemas, and against what this repository has."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator
from typer.core import TyperGroup

from cirray.cli.app import app
from cirray.config import from_mapping
from cirray.recipes import recipes

REPOSITORY = Path(__file__).resolve().parents[3]
MANIFESTS = REPOSITORY / "infra" / "kuberay"
SCHEMAS = REPOSITORY.parent / "shared" / "data" / "kuberay_schemas"
CLUSTER_KEYS = {"rayjob-train.yaml": "rayClusterSpec", "rayservice-search.yaml": "rayClusterConfig"}


def manifest(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((MANIFESTS / name).read_text())
    return document


def cluster_spec(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = manifest(name)["spec"][CLUSTER_KEYS[name]]
    return spec


def groups(name: str) -> Iterator[dict[str, Any]]:
    spec = cluster_spec(name)
    yield spec["headGroupSpec"]
    yield from spec["workerGroupSpecs"]


def containers(name: str) -> Iterator[dict[str, Any]]:
    for group in groups(name):
        yield from group["template"]["spec"]["containers"]


def names_of(path: Path) -> set[str]:
    """Return the names that a module defines or imports at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def locked_version(package: str) -> str:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return next(found[1] for line in lines if (found := re.match(rf"{package}(?:\[.*\])?==([^\s;]+)", line)))


@pytest.mark.parametrize(
    ("name", "kind"), [("rayjob-train.yaml", "rayjob"), ("rayservice-search.yaml", "rayservice")]
)
def test_the_manifest_satisfies_the_strict_schema(name: str, kind: str) -> None:
    path = SCHEMAS / f"{kind}.v1.json"
    if not path.exists():
        pytest.skip(f"KubeRay's schemas are not there: {path}")
    # Not `jsonschema.validate`, which checks these large schemas themselves first, for many seconds.
    validator = Draft202012Validator(json.loads(path.read_text()))
    document = manifest(name)
    assert [error.message for error in validator.iter_errors(document)] == []
    # The schema is strict indeed: it notices a misspelt field.
    document["spec"]["entrypont"] = "python"
    assert any("entrypont" in error.message for error in validator.iter_errors(document))


def test_every_manifest_of_ray_is_checked() -> None:
    kinds = {path.name: yaml.safe_load(path.read_text())["apiVersion"] for path in MANIFESTS.iterdir()}
    assert {name for name, version in kinds.items() if version == "ray.io/v1"} == set(CLUSTER_KEYS)


def test_the_job_is_a_verb_with_arguments_that_it_takes() -> None:
    python, script, *arguments = shlex.split(manifest("rayjob-train.yaml")["spec"]["entrypoint"])
    assert python == "python"
    assert (REPOSITORY / script).is_file(), f"{script} does not exist"
    verbs = typer.main.get_command(app)
    assert isinstance(verbs, TyperGroup)
    given = verbs.commands[Path(script).stem].make_context("job", arguments).params
    assert given["recipe"] in recipes.names()
    assert given["root"].startswith("s3://")
    replicas = sum(group["replicas"] for group in cluster_spec("rayjob-train.yaml")["workerGroupSpecs"])
    assert given["workers"] <= replicas


# Ray Serve itself uses what pydantic calls deprecated, and says so when it is imported: hence not above.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_the_serve_config_names_an_application_that_exists() -> None:
    from ray.serve.schema import ServeDeploySchema

    from cirray.service import ServiceConfig

    config = yaml.safe_load(manifest("rayservice-search.yaml")["spec"]["serveConfigV2"])
    application = ServeDeploySchema.model_validate(config).applications[0]
    module, _, builder = application.import_path.partition(":")
    path = REPOSITORY / f"{module.replace('.', '/')}.py"
    assert path.is_file(), f"{path} does not exist"
    assert builder in names_of(path)
    assert from_mapping(ServiceConfig, application.args).root.startswith("s3://")


def test_the_serve_config_says_where_it_listens() -> None:
    config = yaml.safe_load(manifest("rayservice-search.yaml")["spec"]["serveConfigV2"])
    assert config["http_options"] == {"host": "0.0.0.0", "port": 8000, "request_timeout_s": 30}
    head = next(containers("rayservice-search.yaml"))
    assert {"name": "serve", "containerPort": 8000} in head["ports"]


def test_job_and_service_work_on_the_same_root() -> None:
    config = yaml.safe_load(manifest("rayservice-search.yaml")["spec"]["serveConfigV2"])
    root = config["applications"][0]["args"]["root"]
    assert f"--root {root} " in manifest("rayjob-train.yaml")["spec"]["entrypoint"]


def test_the_job_resumes_and_cleans_up() -> None:
    spec = manifest("rayjob-train.yaml")["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["submissionMode"] == "K8sJobMode"
    assert spec["shutdownAfterJobFinishes"] is True


@pytest.mark.parametrize("name", CLUSTER_KEYS)
def test_clusters_follow_the_conventions(name: str) -> None:
    spec = cluster_spec(name)
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for container in containers(name):
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert "/dev/shm" in {mount["mountPath"] for mount in container["volumeMounts"]}
        secrets = ["cirray-s3", "cirray-keys"] if name == "rayservice-search.yaml" else ["cirray-s3"]
        assert container["envFrom"] == [{"secretRef": {"name": secret, "optional": True}} for secret in secrets]
        assert "AWS_EC2_METADATA_DISABLED" in {variable["name"] for variable in container["env"]}
    for group in groups(name):
        assert group["template"]["spec"]["volumes"][0]["emptyDir"]["medium"] == "Memory"


def test_all_pods_run_one_image_from_the_folder_of_the_jobs() -> None:
    pods = [container for name in CLUSTER_KEYS for container in containers(name)]
    assert len({container["image"] for container in pods}) == 1
    workdir = re.search(r"^WORKDIR (\S+)", (REPOSITORY / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
    assert workdir
    assert {container["workingDir"] for container in pods} == {workdir[1]}


@pytest.mark.parametrize("name", CLUSTER_KEYS)
def test_the_ray_version_is_the_locked_one(name: str) -> None:
    assert cluster_spec(name)["rayVersion"] == locked_version("ray")


def test_the_network_policy_selects_every_pod_and_opens_no_port_to_all() -> None:
    spec = manifest("network-policy.yaml")["spec"]
    labels = spec["podSelector"]["matchLabels"].items()
    for name in CLUSTER_KEYS:
        for group in groups(name):
            assert labels <= group["template"]["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress"]
    assert all(rule["from"] for rule in spec["ingress"])
