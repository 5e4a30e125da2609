"""The fingerprint of code: of what the sources say, wherever they are."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cirray.bundles.evaluations import MEASURING_CODE
from cirray.storage import code_fingerprint, code_version, library_versions
from cirray.storage.fingerprint import commit_of
from cirray.training.identity import DECIDING_CODE


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `toolbox`, as an installation would lay it out."""
    folder = tmp_path / "site-packages" / "toolbox"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "saw.py", "inner/__init__.py", "inner/bit.py"):
        (folder / name).write_text(f"NAME = {name!r}\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "toolbox"]:
        del sys.modules[name]


def digest(*modules: str) -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint(*modules)


@pytest.mark.parametrize("name", ["__init__.py", "saw.py", "inner/bit.py"])
def test_any_source_counts(package: Path, name: str) -> None:
    before = digest("toolbox")
    assert digest("toolbox") == before
    (package / name).write_text("NAME = 'another'\n")
    assert digest("toolbox") != before


def test_a_new_file_and_a_new_name_count_and_compiled_ones_do_not(package: Path) -> None:
    before = digest("toolbox")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "saw.cpython-311.pyc").write_bytes(b"compiled")
    assert digest("toolbox") == before
    (package / "saw.py").rename(package / "axe.py")
    assert digest("toolbox") != before


def test_a_module_counts_alone(package: Path) -> None:
    before = digest("toolbox.saw", "toolbox.inner")
    assert digest("toolbox.inner", "toolbox.saw") == before
    (package / "__init__.py").write_text("NAME = 'another'\n")
    assert digest("toolbox.saw", "toolbox.inner") == before
    (package / "saw.py").write_text("NAME = 'another'\n")
    assert digest("toolbox.saw", "toolbox.inner") != before


def test_the_place_of_the_sources_does_not_count(package: Path) -> None:
    before = digest("toolbox")
    code = "from cirray.storage import code_fingerprint; print(code_fingerprint('toolbox'))"
    elsewhere = package.parent.parent / "elsewhere"
    package.parent.rename(elsewhere)
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {[str(elsewhere), *sys.path]}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == before


def test_what_does_not_exist_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"cirray\.encoder"):
        digest("cirray.encoder")


@pytest.mark.parametrize("modules", [DECIDING_CODE, MEASURING_CODE])
def test_it_takes_no_time_to_speak_of(modules: tuple[str, ...]) -> None:
    digest(*modules)  # the files are in the system's memory after the first reading
    started = time.perf_counter()
    digest(*modules)
    assert time.perf_counter() - started < 0.05


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_has_a_commit_and_tells_of_changes(tmp_path: Path) -> None:
    package = tmp_path / "platform" / "toolbox"
    package.mkdir(parents=True)
    (package / "saw.py").write_text("")
    assert commit_of(package) == ""
    git(tmp_path, "init", "--quiet")
    assert commit_of(package) == ""
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(package) == commit
    (package / "saw.py").write_text("changed")
    assert commit_of(package) == f"{commit}-dirty"


def test_what_is_installed_within_another_repository_has_no_commit_of_it(tmp_path: Path) -> None:
    installed = tmp_path / ".venv" / "site-packages" / "toolbox"
    installed.mkdir(parents=True)
    (tmp_path / "theirs.py").write_text("")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "theirs")
    assert commit_of(installed) == ""


def test_the_code_of_this_process_is_known() -> None:
    assert code_version().version == library_versions()["cirray"]
    assert code_version().sources == code_fingerprint("cirray")
