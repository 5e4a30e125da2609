"""The local cluster: real nodes, real jobs, a real S3 for them, and nothing left after it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from infra.local.cluster import Cluster, cluster, running, start, stop
from infra.local.nodes import Shape
from infra.local.object_store import BUCKET, ObjectStore, object_store
from infra.local.processes import LocalServiceError, is_running, process_with, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RAY = str(Path(sys.executable).with_name("ray"))

# A job: what it sees itself, and what a task on each node sees, of which each writes an object of its own.
LOOK_ABOUT = """
import json, os, sys
import boto3, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
import neighbour

@ray.remote(num_cpus=1)
def look():
    address = ray.util.get_node_ip_address()
    boto3.client("s3").put_object(Bucket="cirray", Key=f"seen/{address}", Body=neighbour.WORD.encode())
    return address, os.environ["AWS_ENDPOINT_URL"], sys.executable

ray.init(address=os.environ["RAY_ADDRESS"])
homes = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in ray.nodes()]
seen = ray.get([look.options(scheduling_strategy=home).remote() for home in homes])
answer = {"address": os.environ["RAY_ADDRESS"], "seen": seen, "cpus": ray.cluster_resources()["CPU"]}
boto3.client("s3").put_object(Bucket="cirray", Key="answer", Body=json.dumps(answer).encode())
"""
LINGER = """
import os, signal
import boto3
boto3.client("s3").put_object(Bucket="cirray", Key="driver", Body=str(os.getpid()).encode())
signal.pause()
"""


@dataclass(frozen=True)
class Site:
    store: ObjectStore
    cluster: Cluster
    state_dir: Path

    def ray(self, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Ray's own command line as a person would, in an environment that knows this cluster only."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
        known = {**clean, **self.cluster.environment, **environment}
        return subprocess.run([RAY, *arguments], env=known, cwd=cwd, capture_output=True, text=True, timeout=180)

    def written(self, key: str) -> bytes | None:
        try:
            return bytes(self.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except ClientError:
            return None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state_dir = tmp_path_factory.mktemp("cluster")
    with (
        object_store(state_dir) as store,
        cluster(state_dir, environment=store.environment) as started,
    ):
        yield Site(store, started, state_dir)


def test_a_job_reaches_all_nodes_and_they_reach_the_store(site: Site, tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(LOOK_ABOUT)
    (tmp_path / "neighbour.py").write_text("WORD = 'from the working directory'\n")
    # The PATH of a shell in which no environment is activated: the job must find the cluster's Python all the same.
    answer = site.ray("job", "submit", "--working-dir", ".", "--", "python", "look.py", cwd=tmp_path, PATH=os.defpath)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    report = json.loads(site.written("answer") or b"{}")
    assert report["address"] == site.cluster.address
    assert report["cpus"] == 1 + 2 * 2
    assert sorted(address for address, _, _ in report["seen"]) == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert {endpoint for _, endpoint, _ in report["seen"]} == {site.store.endpoint}
    assert {os.path.realpath(python) for _, _, python in report["seen"]} == {os.path.realpath(sys.executable)}
    for worker in ("127.0.0.3", "127.0.0.4"):
        assert site.written(f"seen/{worker}") == b"from the working directory"


def test_without_the_token_nobody_submits(site: Site) -> None:
    request = urllib.request.Request(
        f"{site.cluster.dashboard_url}/api/jobs/",
        data=json.dumps({"entrypoint": "true"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)
    refused.value.close()
    assert refused.value.code == 401
    token = site.state_dir / "ray-token"
    assert site.cluster.environment["RAY_AUTH_TOKEN_PATH"] == str(token)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_it_runs_once(site: Site) -> None:
    assert running(site.state_dir) == site.cluster
    assert site.cluster.living_nodes() == 3
    with pytest.raises(LocalServiceError, match="already running"):
        start(site.state_dir)
    assert site.cluster.living_nodes() == 3


def test_a_cluster_that_does_not_come_up_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    # Less memory than Ray accepts.
    with pytest.raises(LocalServiceError, match=r"Ray head did not start(.|\n)*minimum"):
        start(tmp_path, shape=Shape(object_store_mb=1))
    assert not (tmp_path / "cluster.json").exists()
    assert running(tmp_path) is None


def test_stop_ends_every_process_of_it(site: Site, tmp_path: Path) -> None:
    """Last in this file: it ends the cluster that the tests above share."""
    (tmp_path / "linger.py").write_text(LINGER)
    words = ("job", "submit", "--no-wait", "--working-dir", ".", "--", "python", "linger.py")
    answer = site.ray(*words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    wait_until(lambda: site.written("driver") is not None, what="The driver", needs={}, deadline_s=120)
    driver = process_with(int(site.written("driver") or b""))
    scratch = Path(json.loads((site.state_dir / "cluster.json").read_text())["scratch"])
    assert driver is not None
    assert scratch.exists()

    assert stop(site.state_dir)

    # Whoever inherits a process that was killed may take a moment to clear it away.
    assert not is_running(driver)
    assert not scratch.exists()
    assert running(site.state_dir) is None
    assert site.cluster.living_nodes() == 0
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(scratch) in text_of(path)] == []
    assert not stop(site.state_dir)


def text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
