"""The proof pack: a script that proves the exported files again with public tools, and what those tools are given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from crumple.artefact import write_bytes
from crumple.errors import CheckFailedError

from .c99 import render_template
from .profiles import Profile

OUTCOMES = "proofs.json"


def render_proofs(model_sha256: str, profile: Profile) -> dict[str, str]:
    """The proof script and the programs it gives to the tools.

    Parameters
    ----------
    model_sha256 : str
        SHA-256 of the model's file.
    profile : Profile

    Returns
    -------
    dict
        File name to text: ``crumple_prove.py`` and the C for EVA, the stress test and bounded model checking.
    """
    values = {"model_sha256": model_sha256, "profile": profile.name, "dsp": profile.dual_multiply}
    names = ("crumple_prove.py", "crumple_eva.c", "crumple_stress.c", "crumple_bmc.c")
    return {name: render_template(f"{name}.in", values) for name in names}


def run_proofs(folder: Path, prefix: str) -> list[dict[str, Any]]:
    """Run the exported proof script as a user would, in a process of its own, and keep its outcomes.

    Parameters
    ----------
    folder : Path
        An export; gets ``proofs.json``.
    prefix : str
        What the exported files begin with.

    Returns
    -------
    list of dict
        ``check``, ``verdict`` (passed, failed or not run) and ``detail`` for each check.

    Raises
    ------
    CheckFailedError
        The script itself broke: that is a failure too, not an absence of findings.
    """
    import json

    done = subprocess.run(
        [sys.executable, f"{prefix}_prove.py", "--json", OUTCOMES],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    outcomes = folder / OUTCOMES
    if done.returncode not in (0, 1, 4) or not outcomes.is_file():
        raise CheckFailedError(f"{prefix}_prove.py: broke with exit code {done.returncode}: {done.stderr.strip()}")
    document = json.loads(outcomes.read_bytes())
    write_bytes(outcomes, (json.dumps(document, sort_keys=True, indent=2) + "\n").encode("ascii"))
    checks: list[dict[str, Any]] = document["checks"]
    return checks
