"""What the commands of this folder share: the state folder's option, and what they print for a person and a shell."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from cirray.errors import CirrayError

StateDir = Annotated[Path, typer.Option(help="Folder for records, logs, secrets and data.")]


def say(text: str) -> None:
    """Print a line for a person. It goes to stderr, since stdout is for `eval`."""
    typer.echo(text, err=True)


def print_exports(environment: Mapping[str, str], *, unset: Iterable[str] = ()) -> None:
    """Print shell commands that put `environment` into the shell which evaluates them."""
    for name in unset:
        typer.echo(f"unset {name}")
    for name, value in environment.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def run(app: typer.Typer) -> None:
    """Run a command; an error that a person can mend is one message and exit code 2."""
    try:
        app()
    except CirrayError as error:
        say(f"error: {error}")
        sys.exit(2)
