"""The image's recipe, checked without building it: its paths and its versions."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
LINES = (REPOSITORY / "infra" / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def copied() -> list[str]:
    """Return what is copied from the repository, in order."""
    words = [[word for word in rest.split() if not word.startswith("--")] for rest in arguments("COPY")]
    return [source for sources in words for source in sources[:-1]]


def locked_ray() -> str:
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    return next(found[1] for line in lines if (found := re.match(r"ray(?:\[.*\])?==([^\s;]+)", line)))


def test_what_is_copied_exists() -> None:
    missing = [source for source in copied() if not (REPOSITORY / source).exists()]
    assert missing == []


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    rules = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied())


def test_caches_stay_behind() -> None:
    rules = [rule for rule in (REPOSITORY / ".dockerignore").read_text().splitlines() if rule[:1] not in ("!", "#")]
    assert any(fnmatch.fnmatch("platform/cirray/__pycache__", rule) for rule in rules if rule != "*")


def test_the_base_image_has_the_locked_ray() -> None:
    base = next(rest for rest in arguments("ARG") if rest.startswith("BASE="))
    assert base == f"BASE=rayproject/ray:{locked_ray()}-py311-cpu"
    assert arguments("FROM") == ["${BASE}"]


def test_the_lock_is_installed_before_the_code_is_copied() -> None:
    assert copied()[0] == "requirements.lock"
    installs = [rest for rest in arguments("RUN") if "pip install" in rest]
    assert "--requirement requirements.lock" in installs[0]
    # The project itself, by name, without a second look at what it depends on.
    assert re.search(r"pip install --no-cache-dir --no-deps \.(\s|$)", installs[1])


def test_serve_finds_its_applications() -> None:
    folder = arguments("WORKDIR")[0]
    assert f"PYTHONPATH={folder}" in " ".join(arguments("ENV")).split()
    config = yaml.safe_load((REPOSITORY / "infra/kuberay/rayservice-search.yaml").read_text())["spec"][
        "serveConfigV2"
    ]
    package = yaml.safe_load(config)["applications"][0]["import_path"].partition(".")[0]
    assert package in copied()
