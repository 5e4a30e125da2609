"""The local object store, as the S3 that the library's atomic publishing counts on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pyarrow import fs

from infra.local.object_store import ObjectStore, object_store, running, start, stop
from infra.local.processes import LocalServiceError

REPOSITORY = Path(__file__).resolve().parents[2]
BUCKET = "cirray"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running_store:
        yield running_store


def put(client: Any, key: str, body: bytes, **condition: str) -> int:
    """Write an object and return the HTTP status."""
    try:
        answer = client.put_object(Bucket=BUCKET, Key=key, Body=body, **condition)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def get(client: Any, key: str) -> bytes:
    return bytes(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def etag(client: Any, key: str) -> str:
    return str(client.head_object(Bucket=BUCKET, Key=key)["ETag"])


def refusal(client: Any, bucket: str = BUCKET) -> str:
    with pytest.raises(ClientError) as failure:
        client.put_object(Bucket=bucket, Key="x", Body=b"")
    return str(failure.value.response["Error"]["Code"])


def race(store: ObjectStore, key: str, **condition: str) -> dict[int, int]:
    """Let eight writers write at once; return the status of each."""
    together = threading.Barrier(8)
    statuses: dict[int, int] = {}

    def write(writer: int) -> None:
        client = store.client()
        together.wait()
        statuses[writer] = put(client, key, str(writer).encode(), **condition)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_an_object_is_created_only_once(store: ObjectStore) -> None:
    client = store.client()
    assert put(client, "once", b"first", IfNoneMatch="*") == 200
    assert put(client, "once", b"second", IfNoneMatch="*") == 412
    assert get(client, "once") == b"first"
    client.delete_object(Bucket=BUCKET, Key="once")
    assert put(client, "once", b"third", IfNoneMatch="*") == 200


def test_an_object_is_replaced_only_where_it_is_still_the_one_read(store: ObjectStore) -> None:
    client = store.client()
    put(client, "alias", b"1")
    read = etag(client, "alias")
    assert put(client, "alias", b"2", IfMatch=read) == 200
    assert put(client, "alias", b"3", IfMatch=read) == 412
    assert put(client, "absent", b"3", IfMatch=read) == 412
    assert get(client, "alias") == b"2"


@pytest.mark.parametrize("attempt", range(4))
def test_of_many_writers_at_once_one_wins(store: ObjectStore, attempt: int) -> None:
    client = store.client()
    created, replaced = f"race/created-{attempt}", f"race/replaced-{attempt}"
    put(client, replaced, b"before")
    for key, condition in ((created, {"IfNoneMatch": "*"}), (replaced, {"IfMatch": etag(client, replaced)})):
        statuses = race(store, key, **condition)
        assert sorted(statuses.values()) == [200] + 7 * [412]
        winner = next(writer for writer, status in statuses.items() if status == 200)
        assert get(client, key) == str(winner).encode()


def test_only_the_right_keys_are_let_in(store: ObjectStore) -> None:
    nobody = boto3.client(
        "s3", endpoint_url=store.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    assert refusal(nobody) == "AccessDenied"
    keys = {**store.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    stranger = ObjectStore(endpoint=store.endpoint, environment=keys, state_dir=store.state_dir)
    assert refusal(stranger.client()) == "SignatureDoesNotMatch"
    assert stat.S_IMODE((store.state_dir / "s3.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((store.state_dir / "object-store.json").stat().st_mode) == 0o600


def test_a_bucket_that_does_not_exist_is_not_made_by_writing(store: ObjectStore) -> None:
    assert refusal(store.client(), bucket="misspelt") == "NoSuchBucket"


def test_pyarrow_finds_it_through_the_environment(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    files, path = fs.FileSystem.from_uri(f"s3://{BUCKET}/arrow")
    large = os.urandom(6 << 20)  # more than one part of an upload
    for name, content in {"a.bin": b"small", "deep/er/b.bin": large}.items():
        with files.open_output_stream(f"{path}/{name}") as stream:
            stream.write(content)
    selector = fs.FileSelector(path, recursive=True)
    sizes = {info.path: info.size for info in files.get_file_info(selector) if info.type == fs.FileType.File}
    assert sizes == {f"{path}/a.bin": 5, f"{path}/deep/er/b.bin": len(large)}
    with files.open_input_file(f"{path}/deep/er/b.bin") as stream:
        assert stream.read_at(100, 5 << 20) == large[5 << 20 :][:100]
    files.delete_dir(path)
    left = files.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    assert [info.path for info in left if info.type == fs.FileType.File] == []


def test_data_and_keys_outlive_a_stop(tmp_path: Path) -> None:
    with object_store(tmp_path, bucket="kept") as first:
        for number in range(50):
            first.client().put_object(Bucket="kept", Key=f"{number}", Body=b"x" * 1000 * number)
    assert running(tmp_path) is None
    with object_store(tmp_path, bucket="kept") as second:
        bodies = [second.client().get_object(Bucket="kept", Key=f"{number}")["Body"].read() for number in range(50)]
        assert [len(body) for body in bodies] == [1000 * number for number in range(50)]
    assert first.environment["AWS_SECRET_ACCESS_KEY"] == second.environment["AWS_SECRET_ACCESS_KEY"]


def test_a_start_that_does_not_come_up_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match="The object store was not ready within 0 s"):
        start(tmp_path, deadline_s=0)
    assert not (tmp_path / "object-store.json").exists()
    assert not stop(tmp_path)
    assert running(tmp_path) is None


def command(*arguments: str, state_dir: Path) -> subprocess.CompletedProcess[str]:
    script = REPOSITORY / "infra" / "local" / "object_store.py"
    words = [sys.executable, str(script), *arguments, "--state-dir", str(state_dir)]
    # From another folder: the scripts must not count on where they are called from.
    return subprocess.run(words, capture_output=True, text=True, cwd=state_dir, timeout=120)


def test_the_command_prints_what_a_shell_can_evaluate(store: ObjectStore) -> None:
    answer = command("start", "--bucket", "another", state_dir=store.state_dir)
    assert answer.returncode == 0, answer.stderr
    assert "already running" in answer.stderr
    shell = subprocess.run(
        ["sh", "-c", 'eval "$1"; env', "sh", answer.stdout],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "AWS_SESSION_TOKEN": "of another account"},
    ).stdout.splitlines()
    assert {f"{name}={value}" for name, value in store.environment.items()} <= set(shell)
    assert not any(line.startswith("AWS_SESSION_TOKEN") for line in shell)
    store.client().head_bucket(Bucket="another")
    with pytest.raises(LocalServiceError, match="already running"):
        start(store.state_dir)


def test_the_command_says_whether_it_is_running(store: ObjectStore, tmp_path: Path) -> None:
    answer = command("status", state_dir=store.state_dir)
    assert (answer.returncode, store.endpoint in answer.stderr) == (0, True)
    answer = command("status", state_dir=tmp_path)
    assert (answer.returncode, answer.stderr) == (1, "not running\n")
    answer = command("stop", state_dir=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "not running\n")
