"""Where search spaces come from: the folder `tune_spaces`, or a file of one's own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cirray
from cirray.config import from_mapping
from cirray.config_file import parse_mapping
from cirray.errors import ConfigError
from cirray.recipes import RunConfig
from cirray.storage import Location
from cirray.tuning.space import Space, spaces

FOLDER = "tune_spaces"


def space_of(config: RunConfig, file: str | None = None) -> Space:
    """Return the search space of a recipe: the one in `file`, or the one registered for its composer.

    Args:
        config: of the run.
        file: path or s3:// URI of settings in YAML or JSON, a domain by each path.

    Raises:
        ConfigError: there is no space, or the file holds none.
        StorageError: the file cannot be read.
    """
    if file is not None:
        return from_mapping(Space, {"dials": parse_mapping(Location.parse(file).read(), file)})
    load_spaces()
    composer = config.model.composer.name
    if composer not in spaces:
        raise ConfigError(
            f"There is no search space for composer {composer!r}; there are: {', '.join(sorted(spaces)) or 'none'}.",
            hint=f"Add a file to {FOLDER}/, or give a space of your own with --space FILE.",
        )
    return spaces[composer]


def load_spaces(folder: Path | None = None) -> None:
    """Register the spaces of every file in a folder, by default `tune_spaces`, unless that has been done.

    Raises:
        ConfigError: there is no such folder.
    """
    for file in sorted((folder or _folder()).glob("*.py")):
        _load(file.resolve())


_LOADED: set[Path] = set()


def _load(file: Path) -> None:
    if file in _LOADED:
        return
    spec = importlib.util.spec_from_file_location(f"{FOLDER}_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file} is no Python file.")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    _LOADED.add(file)


def _folder() -> Path:
    """Return `tune_spaces` in the working directory (that of a submitted job too), or beside an editable install."""
    places = (Path.cwd(), Path(cirray.__file__).parents[2])
    for place in places:
        if (place / FOLDER).is_dir():
            return place / FOLDER
    raise ConfigError(
        f"There is no folder {FOLDER} in {places[0]}.",
        hint="Run from a checkout of cirray, or give a space with --space FILE.",
    )
