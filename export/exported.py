"""How an export folder is read: all that a program next to the exported code needs to know."""

from __future__ import annotations

from pathlib import Path

from crumple.artefact import Artefact, read_artefact

SCHEMA = "crumple.export/1"
FILE = "export.json"


def read_export(folder: Path) -> Artefact:
    """Read an export folder's artefact. Raises ArtefactError."""
    return read_artefact(folder / FILE, SCHEMA)
