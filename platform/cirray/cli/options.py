"""Options that several verbs have."""

from __future__ import annotations

from typing import Annotated

import typer

RootOption = Annotated[
    str, typer.Option("--root", envvar="CIRRAY_ROOT", help="Folder or s3://bucket/prefix under which all lives.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, e.g. training.epochs=3.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="NAME or NAME@VERSION; by default the model's.")]
ModelOption = Annotated[str, typer.Option("--model", help="NAME or NAME@VERSION.")]
SplitOption = Annotated[str, typer.Option("--split", help="Whose queries and gallery.")]
