"""Fingerprints: the names of things that follow from what they were made from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cirray.config import Config

VERSION_LENGTH = 16
"""Hex digits of a fingerprint that name a version: 64 bits, far beyond any number of versions a root holds."""

_LIBRARIES = ("cirray", "faiss-cpu", "numpy", "pillow", "pyarrow", "ray", "torch", "torchvision")


def fingerprint(value: Any) -> str:
    """Return the SHA-256, in hex, of a value that JSON can write; the order of keys does not count."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def library_versions(*extras: str) -> dict[str, str]:
    """Return the versions of cirray and of the libraries that decide what an artifact's bytes are.

    Args:
        extras: further packages that had a part in it; those that are not installed here are left out.
    """
    found = {name: version(name) for name in _LIBRARIES}
    for name in extras:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@cache
def code_fingerprint(*modules: str) -> str:
    """Return the SHA-256, in hex, of the Python sources of modules and packages, wherever they are installed.

    A version number alone does not tell: in an editable installation it stays while the code changes. The sources
    are read once a process.

    Args:
        modules: names such as "cirray.encoders" (with all that is in it) or "cirray.datasets.pictures".

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    sources = []
    for module in sorted(modules):
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"There is no module {module!r} with sources.", name=module)
        origin = Path(spec.origin)
        files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
        sources += [
            [module, file.relative_to(origin.parent).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()]
            for file in files
        ]
    return fingerprint(sources)


class CodeVersion(Config):
    """Which cirray made something; all empty where that was not kept.

    Attributes:
        version: of the package.
        sources: fingerprint of all its Python sources, which tells also where no commit does.
        commit: of the checkout that it was imported from, with "-dirty" where that had changes; empty elsewhere.
    """

    version: str = ""
    sources: str = ""
    commit: str = ""


@cache
def code_version() -> CodeVersion:
    """Return which cirray this process runs."""
    return CodeVersion(
        version=version("cirray"),
        sources=code_fingerprint("cirray"),
        commit=commit_of(Path(__file__).parents[1]),
    )


def commit_of(package: Path) -> str:
    """Return the commit of the checkout that has a package at `platform/<package>`, or an empty string.

    A package that is installed in a folder within somebody else's repository has none.
    """
    checkout = package.parent.parent
    if package.parent.name != "platform" or not (checkout / ".git").exists():
        return ""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
