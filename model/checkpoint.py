"""Where a training stands, on disk, so that an interrupted one goes on and ends in the same bytes."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crumple.artefact import write_bytes

log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Saved:
    """A training's state.

    Attributes
    ----------
    facts : dict
        What JSON holds: step, round, random states, history.
    arrays : dict of ndarray
    """

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A file that holds the state of one training.

    Attributes
    ----------
    path : Path
    key : str
        Of corpus, plan and requirements: a state of another training is not taken.
    """

    path: Path
    key: str

    def beside(self, name: str) -> Checkpoint:
        """The file of a part of the same training, ``name``-d, beside this one."""
        return Checkpoint(self.path.with_name(f"{self.path.stem}.{name}{self.path.suffix}"), self.key)

    def save(self, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Replace the file, whole or not at all.

        Parameters
        ----------
        facts : mapping
            JSON values.
        arrays : mapping of str to ndarray
        """
        data = io.BytesIO()
        text = json.dumps({"key": self.key, **facts}).encode()
        np.savez(data, _facts=np.frombuffer(text, dtype=np.uint8), **dict(arrays))  # type: ignore[arg-type]
        write_bytes(self.path, data.getvalue())

    def load(self) -> Saved | None:
        """The state on file; None, which is said, if it is another training's or damaged."""
        if not self.path.is_file():
            return None
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts = json.loads(arrays.pop("_facts").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            log.warning("%s: not a training's state (%s); training starts anew", self.path, error)
            return None
        if not isinstance(facts, dict) or facts.get("key") != self.key:
            log.warning("%s: the state of another training; this one starts anew", self.path)
            return None
        return Saved(facts, arrays)

    def clear(self) -> None:
        """Remove the file, when the training is done."""
        self.path.unlink(missing_ok=True)
