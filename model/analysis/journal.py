"""Proofs as they are found, on disk, so that an interrupted map loses none of them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from crumple.artefact import canonical_json
from crumple.errors import OutputError

from .properties import Requirement


class Journal:
    """A folder of files to which processes append proofs, each its own file.

    A line is believed if it is whole and was written under the same key: of the model, plan and program. What it holds
    was accepted by the checker when it was written; ``crumple check`` does so again on the finished map.

    Parameters
    ----------
    folder : Path
    key : str
    name : str
        Of the file to append to.
    """

    def __init__(self, folder: Path, key: str, name: str) -> None:
        self.folder, self.key, self.path = folder, key, folder / f"{name}.jsonl"
        self.proofs: dict[str, dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lines = self.path.read_bytes().splitlines() if self.path.is_file() else []
        except OSError as error:
            raise OutputError(f"{folder}: cannot keep proofs there: {error.strerror or error}") from error
        for line in lines:
            try:
                digest, asked, certificate = json.loads(line)
            except (ValueError, TypeError):
                continue  # cut off by what ended the program
            if digest == self._digest(asked, certificate):
                self.proofs[asked] = certificate

    def _digest(self, asked: str, certificate: Any) -> str:
        return hashlib.sha256(canonical_json([self.key, asked, certificate])).hexdigest()

    def known(self, requirement: Requirement) -> dict[str, Any] | None:
        """The certificate of a ``requirement`` that was proved before, or None."""
        return self.proofs.get(_asked(requirement))

    def note(self, requirement: Requirement, certificate: dict[str, Any]) -> None:
        """Keep the ``certificate`` of a ``requirement``, at once."""
        asked = _asked(requirement)
        line = canonical_json([self._digest(asked, certificate), asked, certificate])
        try:
            with self.path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write: {error.strerror or error}") from error

    @staticmethod
    def drop(folder: Path) -> None:
        """Remove a journal's ``folder``: all that it held is in place."""
        shutil.rmtree(folder, ignore_errors=True)


def _asked(requirement: Requirement) -> str:
    return canonical_json(requirement.payload()).decode("ascii")
