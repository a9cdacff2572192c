"""What every command shares: options, results on stdout, progress and log on stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from .progress import Advance

log = logging.getLogger("crumple")

Command = TypeVar("Command", bound=Callable[..., Any])
SCHEMA = "crumple.result/1"


def json_option(command: Command) -> Command:
    """``--json``: one document on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")(command)


def force_option(command: Command) -> Command:
    """``--force``: replace an earlier result of the same stage."""
    return click.option("--force", is_flag=True, help="Replace an earlier result of this stage.")(command)


def out_option(default: str) -> Callable[[Command], Command]:
    """``--out DIR``: the folder that the stage writes, as a whole; ``default`` where it is not given."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        show_default=True,
        help="Folder to write; it must be new, empty or an earlier result.",
    )


def config_option(command: Command) -> Command:
    """``--config FILE``: TOML settings; unknown keys are errors."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="TOML file with settings; unknown keys are errors.",
    )(command)


def emit(document: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print a result to stdout: ``text``, or (``as_json``) the same numbers as one JSON ``document``."""
    if as_json:
        click.echo(json.dumps({"schema": SCHEMA, **document}, sort_keys=True, indent=2, allow_nan=False))
    else:
        click.echo(text)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain-text table under a ``title``: one column for each name in ``header``, ``rows`` as given."""
    import io

    from rich.console import Console
    from rich.table import Table

    made = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in header:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    stream = io.StringIO()
    Console(file=stream, width=110, no_color=True, highlight=False, markup=False).print(made)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show how far long work is: a bar on a terminal, one line at the end elsewhere. Always on stderr.

    Parameters
    ----------
    label : str
    total : int
        Amount of work; the yielded function is called with the amount done so far and a status.
    """
    if not sys.stderr.isatty():
        last = ""

        def note(done: int, status: str) -> None:
            nonlocal last
            last = status

        yield note
        log.info("%s: done%s", label, f" ({last})" if last else "")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[status]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total, status="")
        yield lambda done, status: bars.update(task, completed=done, status=status)
