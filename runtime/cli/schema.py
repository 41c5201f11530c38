"""`perptape schema`: the contract of the topics as files for others."""

import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.stages import stage
from runtime.errors import ConfigurationError

schema_app = typer.Typer(
    help="The topics and records as AsyncAPI and JSON Schema.", no_args_is_help=True
)

FolderArgument = Annotated[Path, typer.Argument(help="Where the files are.")]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit code 1 where a file differs.")
]


@schema_app.callback()
def _commands() -> None:
    """Keep `export` a command of its own: typer merges a single one into its parent."""


@schema_app.command()
def export(folder: FolderArgument = Path("schemas/generated"), check: CheckOption = False) -> None:
    """Write the AsyncAPI document and the JSON Schema of every record."""
    documents = stage("schemas.documents").documents(importlib.metadata.version("perptape"))
    try:
        if not check:
            _write(folder, documents)
        different = list(_differences(folder, documents))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{folder}: {error}") from None
    for line in different:
        typer.echo(line, err=True)
    if different:
        raise typer.Exit(1)


def _write(folder: Path, documents: Mapping[str, str]) -> None:
    for name, text in documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def _differences(folder: Path, documents: Mapping[str, str]) -> Iterable[str]:
    """Yield what is wrong with each file that is not as it would be written."""
    for name, text in documents.items():
        path = folder / name
        if not path.is_file():
            yield f"{path}: missing"
        elif path.read_bytes() != text.encode():
            yield f"{path}: differs from what the registry says"
    for path in sorted(folder.glob("json/*.schema.json")):
        if path.relative_to(folder).as_posix() not in documents:
            yield f"{path}: the registry has no such record"
