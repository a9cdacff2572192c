"""Evidence that a project may have or not: a section for each kind, shown from its artefact or told to be missing.

What an artefact holds is shown as its file says, whatever its shape: single values as one table, lists of records as
another. Nothing is computed and nothing is left out without saying how much.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crumple.artefact import Artefact

from .project import COMMANDS, Project

MOST_ROWS = 60
MOST_DEPTH = 4
LEADING = ("", "id", "name", "goal", "outcome", "event", "mode", "source", "family", "class", "kind")
"""Keys whose column comes first: files sort them by letter."""

LONGEST_LIST = 12
LARGEST_PLOT = 1_500_000
"""Bytes of an SVG that is drawn into the page; a larger one is only linked."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of further evidence.

    Attributes
    ----------
    anchor : str
        Its section on the page, and the folder that its command writes by default.
    title, about : str
        Heading, and a sentence on what it is.
    schemas : tuple of str
        Schemas of its artefacts, without their versions.
    command : str
        What makes it, in the project's folder; empty where no command of this version does.
    """

    anchor: str
    title: str
    about: str
    schemas: tuple[str, ...]
    command: str


KINDS = (
    Kind(
        "firemap",
        "Certified fire map",
        "What is proved to fire by the required time, what never to fire, and what is neither, over velocity change and"
        " duration of a pulse. Synthetic pulses; every proved cell has a certificate.",
        ("crumple.firemap",),
        COMMANDS["crumple.firemap"],
    ),
    Kind(
        "kernels",
        "Decision kernels",
        "The matched filters that decide: which patterns of active nodes can be reached, which of them events reached,"
        " and what each decides.",
        ("crumple.kernels",),
        COMMANDS["crumple.kernels"],
    ),
    Kind(
        "faults",
        "Fault coverage",
        "Single faults of sensors, frames, parameters and state, tried one by one on the simulated controller in rest,"
        " misuse and crash.",
        ("crumple.faults",),
        COMMANDS["crumple.faults"],
    ),
    Kind(
        "campaign",
        "Monte Carlo with confidence bounds",
        "Drawn events, tolerances and phases; rates with their bounds. They speak of the generator, not of the road.",
        ("crumple.campaign",),
        COMMANDS["crumple.campaign"],
    ),
    Kind(
        "resources",
        "Resource use on the target",
        "Flash, memory, stack and instructions of every tick of the controller's machine code, on the machine or"
        " emulator that its file names. Times rest on the clock that is stated with them.",
        ("crumple.target",),
        COMMANDS["crumple.target"],
    ),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of plain texts: its title, names of its columns, its rows, and how many rows are only in the file."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of an artefact: its file below the project, and its bytes as a data URI; None where it is too large."""

    path: str
    image: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A section: its kind, and the names, tables and plots of the artefacts of that kind (none where it is missing)."""

    kind: Kind
    names: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = field(default=())


def kind_of(schema: str) -> Kind | None:
    """The kind of evidence that an artefact of this ``schema`` is; None if the report has no section for it."""
    stem = schema.partition("/")[0]
    return next((kind for kind in KINDS if stem in kind.schemas), None)


def further(project: Project) -> dict[str, Shown]:
    """The sections of a ``project``, by anchor; those without an artefact are there too, and empty."""
    found = {kind.anchor: Shown(kind) for kind in KINDS}
    for kind in KINDS:
        names = [n for n, a in project.artefacts.items() if n in project.others and kind_of(a.schema) is kind]
        tables = tuple(table for n in names for table in tables_of(project.artefacts[n].payload))
        plots = tuple(plot for n in names for plot in plots_of(n, project.artefacts[n]))
        found[kind.anchor] = Shown(kind, tuple(names), tables, plots)
    return found


def plots_of(name: str, artefact: Artefact) -> list[Plot]:
    """The pictures among the files of the ``artefact`` in the folder ``name``."""
    found = []
    for file in sorted(artefact.files):
        if file.endswith(".svg"):
            data = artefact.file(file).read_bytes()
            image = None
            if len(data) <= LARGEST_PLOT:
                image = "data:image/svg+xml;base64," + base64.b64encode(data).decode("ascii")
            found.append(Plot(f"{name}/{file}", image))
    return found


def tables_of(payload: Any, title: str = "") -> list[Table]:
    """A payload of any shape as tables.

    Parameters
    ----------
    payload : JSON value
    title : str
        Where in the payload it stands.

    Returns
    -------
    list of Table
        Single values first, then each list of records.
    """
    return _tables(payload, title, 0)


def _tables(value: Any, title: str, depth: int) -> list[Table]:
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return [_records(title, value)]
    if not isinstance(value, Mapping):
        return [Table(title, ("value",), ((cell(value),),))]
    if len(value) > 1 and all(isinstance(one, Mapping) and _is_flat(one) for one in value.values()):
        return [_records(title, [{"": key, **one} for key, one in value.items()])]
    single, more = [], []
    for key, one in value.items():
        name = f"{title}, {words(key)}" if title else words(key)
        is_large = isinstance(one, Mapping) and not (_is_flat(one) and len(one) <= LONGEST_LIST)
        is_nested = is_large or (isinstance(one, list) and any(isinstance(x, Mapping) for x in one))
        if is_nested and one and depth < MOST_DEPTH:
            more += _tables(one, name, depth + 1)
        else:
            single.append((words(key), cell(one)))
    return ([Table(title, ("what", "value"), tuple(single))] if single else []) + more


def _records(title: str, records: list[Mapping[str, Any]]) -> Table:
    """A list of records, one a row; a key that some lack is left empty there."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    keys.sort(key=lambda key: LEADING.index(key) if key in LEADING else len(LEADING))
    rows = tuple(tuple(cell(record[key]) if key in record else "" for key in keys) for record in records[:MOST_ROWS])
    return Table(title, tuple(words(key) for key in keys), rows, max(0, len(records) - MOST_ROWS))


def _is_flat(record: Mapping[str, Any]) -> bool:
    return all(not isinstance(one, Mapping | list) for one in record.values())


def words(key: str) -> str:
    """A key of JSON in words, such as ``false fire`` for ``false_fire``."""
    return re.sub(r"_+", " ", str(key)).strip()


def cell(value: Any) -> str:
    """Any JSON value as a short text; what is long is counted."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        if not value:
            return "none"
        if len(value) > LONGEST_LIST or any(isinstance(one, Mapping | list) for one in value):
            return f"{len(value)} values, in the file"
        return ", ".join(cell(one) for one in value)
    if isinstance(value, Mapping):
        if len(value) > LONGEST_LIST or not _is_flat(value):
            return f"{len(value)} entries, in the file"
        return ", ".join(f"{words(key)} {cell(one)}" for key, one in value.items())
    return str(value)
