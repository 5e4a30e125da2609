"""The README's commands, run as they stand there; only made smaller, and kept away from what else runs here."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from infra.local.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text()
BIN = Path(sys.executable).parent

SMALLER = {
    "generate": "--set num_scenes=24",
    "train": "--set training.epochs=1 --set training.batch_size=32",
    "demo": "--scenes 24 --set training.epochs=1 --set training.batch_size=32",
}
"""What is added to a verb, so that it takes seconds."""


def block(heading: str, number: int = 0) -> list[str]:
    """Return the commands of a block of shell lines under a heading of the README, comments left out."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[number].replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := line.split("  #")[0].strip())]


def smaller(command: str) -> str:
    """Return the command with what makes its verb smaller."""
    words = command.split()
    found = [verb for verb in SMALLER if words[:2] == ["cirray", verb] or f"jobs/{verb}.py" in words]
    return f"{command} {SMALLER[found[0]]}" if found else command


def environment(**extra: str) -> dict[str, str]:
    """Return an environment that knows no Ray and no S3 but those of the commands, and finds this Python first."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "AWS_"))}
    return {**clean, "PATH": f"{BIN}:{os.environ['PATH']}", **extra}


def shell(script: str, cwd: Path, **extra: str) -> str:
    """Run a script, and return what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    assert [command.split() for command in block("Two commands")] == [["make", "demo"], ["make", "test"]]
    planned = shell("make --dry-run demo test", REPOSITORY)
    assert ".venv/bin/cirray demo --root demo" in planned
    assert ".venv/bin/python -m pytest" in planned


def test_the_annotated_tree_names_what_is_there() -> None:
    tree = README.split("\n## Where things are\n")[1].split("```")[1]
    rooms = {path.name for path in (REPOSITORY / "platform" / "cirray").iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(re.findall(r"^  (\w+)/", tree, re.MULTILINE)) == rooms
    for folder in re.findall(r"^(\w+)/", tree, re.MULTILINE):
        assert (REPOSITORY / folder).is_dir()


@pytest.mark.ray
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", ["small", pytest.param("full", marks=pytest.mark.long)])
def test_the_demo_goes_the_whole_way_and_the_second_time_does_nothing_again(tmp_path: Path, size: str) -> None:
    fitted = smaller if size == "small" else str
    command = fitted(f"cirray demo --root {shlex.quote(str(tmp_path / 'demo'))}") + " --json"
    first = json.loads(shell(command, tmp_path))
    report = (tmp_path / "demo" / "report.html").read_text()
    assert report.count('<section class="case">') == 3
    assert "<svg" in report
    assert json.loads((tmp_path / "demo" / "summary.json").read_text())["recalls"] == first["recalls"]
    assert set(first["recalls"]) == {"tirg-last-conv", "image-only", "text-only"}
    assert first["counts"]["queries_sharded_equals_flat"] > 100
    assert len(first["asked"]) == 3
    if size == "full":
        it_finds_what_it_promises(first["recalls"])

    second = json.loads(shell(command, tmp_path))
    assert second["artifacts"] == first["artifacts"]
    assert second["recalls"] == first["recalls"]
    once, again = (
        sum(took for step, took in each["seconds"].items() if step not in ("serve and ask", "total"))
        for each in (first, second)
    )
    assert again < once / 2
    the_verbs_find_everything_done(tmp_path, fitted)


def it_finds_what_it_promises(recalls: dict[str, dict[str, float]]) -> None:
    best = recalls["tirg-last-conv"]["R@1"]
    assert best >= 40
    for baseline in ("image-only", "text-only"):
        assert best >= recalls[baseline]["R@1"] + 20


def the_verbs_find_everything_done(folder: Path, fitted: Callable[[str], str]) -> None:
    """Run the README's verbs in a folder that has a demo, down to the query over HTTP."""
    activate, *steps, serve = block("The verbs")
    query = next(command for command in block("The verbs", 1) if command.startswith("curl"))
    assert activate == "source .venv/bin/activate"  # of which `shell` does the same
    for step in steps:
        printed = shell(f"{fitted(step)} --json", folder)
        assert json.loads(printed).get("changed", False) is False, step
    port = free_ports(1)[0]
    with subprocess.Popen(
        shlex.split(f"{serve} --port {port}"),
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            assert any(f"http://127.0.0.1:{port}" in line for line in server.stderr)
            answer = json.loads(shell(query.replace("127.0.0.1:8000", f"127.0.0.1:{port}"), folder))
            assert len(answer["hits"]) == 5
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)
    assert server.returncode == 0


@pytest.mark.ray
@pytest.mark.slow
def test_the_whole_chain_runs_as_jobs_on_a_cluster_with_everything_in_a_bucket(tmp_path: Path) -> None:
    commands = block("On a cluster and a bucket")
    state, port = f"--state-dir {shlex.quote(str(tmp_path))}", free_ports(1)[0]
    script = []
    for command in commands:
        command = re.sub(r"(infra/local/\w+\.py \w+)", rf"\1 {state}", smaller(command)).replace(
            ".venv/bin/", f"{BIN}/"
        )
        script.append(f"{command} --port {port}" if "jobs/serve.py" in command else command)
    stops = [command for command in script if " stop " in command]
    query = next(command for command in block("The verbs", 1) if command.startswith("curl"))
    ask = query.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
    steps = [command for command in script if command not in stops]
    # The stops come from a trap, so that a failed step leaves nothing running either.
    printed = shell("\n".join([f"trap {shlex.quote('; '.join(stops))} EXIT", *steps, "echo ANSWER", ask]), REPOSITORY)
    answer = json.loads(printed.split("\nANSWER\n")[1])
    assert answer["index"]["name"] == "css-2d"
    assert answer["coverage"]["shards"] == {"total": 2, "ok": 2, "failed": 0}
    assert len(answer["hits"]) == 5
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/livez")
