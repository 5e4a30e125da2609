"""Rules of the house that no tool checks."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "platform" / "cirray"
JUNK_DRAWERS = {"utils.py", "helpers.py", "common.py", "misc.py"}


def test_platform_is_a_source_root_and_never_a_package() -> None:
    assert not (REPOSITORY / "platform" / "__init__.py").exists()


@pytest.mark.parametrize("folder", [REPOSITORY, REPOSITORY / "platform"])
def test_the_standard_library_keeps_its_platform_module(folder: Path) -> None:
    code = "import platform; print(platform.python_version()); print(platform.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert answer[0] == ".".join(map(str, sys.version_info[:3]))
    assert str(REPOSITORY) not in answer[1]


def test_files_are_small_and_none_is_a_junk_drawer() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path.name for path in lines} & JUNK_DRAWERS == set()
    assert max(lines.values()) <= 500
    assert statistics.median(lines.values()) <= 150


def test_the_composer_rooms_import_without_ray() -> None:
    code = (
        "import sys, cirray.composers, cirray.objectives, cirray.evaluation, cirray.bundles, cirray.search;"
        "sys.exit('ray' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
