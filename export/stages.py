"""The export's stages over files: export, validate."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from crumple.artefact import (
    Artefact,
    Json,
    Stage,
    canonical_json,
    read_artefact,
    sha256_bytes,
    sha256_file,
    write_bytes,
)
from crumple.errors import ArtefactError
from crumple.model.deployed import DeployedModel, read_model
from crumple.model.stages import NET_FILE
from crumple.progress import Advance, quietly
from crumple.signals.corpus import MANIFEST, Corpus, read_corpus
from crumple.toolchain import find_compiler

from .c99 import render_c
from .calibration import DEFAULT_ADDRESS
from .calibration_files import render_calibration
from .exported import FILE, SCHEMA, read_export
from .fidelity import fidelity
from .naming import DEFAULT_PREFIX, check_prefix, renamed
from .onnx_graphs import float_graph, integer_graph
from .profiles import EXACT16, Profile, check_printable
from .proofs import render_proofs, run_proofs
from .questions import property_sha256, render_questions, requirements_of
from .selftest import render_selftest
from .validate import compare

VALIDATION_SCHEMA = "crumple.validation/1"
VALIDATION_FILE = "validation.json"
QUESTIONS_FILE = "questions.json"


def export_stage(
    model_folder: Path,
    out: Path,
    *,
    profile: Profile = EXACT16,
    prefix: str = DEFAULT_PREFIX,
    address: int = DEFAULT_ADDRESS,
    prove: bool = False,
    replace: bool = False,
    force: bool = False,
) -> Artefact:
    """Print a model as C99 and ONNX, with its requirements as ONNX and VNN-LIB queries for other verifiers.

    Parameters
    ----------
    model_folder : Path
        Folder with ``model.json`` and ``net.json``, as training writes it.
    out : Path
    profile : Profile
        Word lengths and instructions of the C.
    prefix : str
        What every file and public name of the C begins with.
    address : int
        Where the parameter image is to lie in the controller's memory.
    prove : bool
        Run the proof pack on the printed files; its outcomes go into the artefact and ``proofs.json``. A failed
        check is an outcome, not an exception.
    replace, force : bool
        See ``Stage.run``.

    Raises
    ------
    ConfigError
        The prefix cannot begin a C name.
    ModelError
        The model does not fit the profile.
    """
    check_prefix(prefix)
    model, artefact = read_model(model_folder)
    check_printable(model, profile)
    stage = Stage(
        out,
        FILE,
        SCHEMA,
        {"model": artefact.sha256},
        {"profile": profile.name, "prefix": prefix, "address": address, "prove": prove},
        scratch=("build",),  # where its Makefile and CMakeLists.txt say to build
    )

    def work(folder: Path) -> Json:
        calibration, image = render_calibration(model, artefact.sha256, profile, address)
        texts = {
            **render_c(model, artefact.sha256, profile),
            **calibration,
            **render_selftest(model, artefact.sha256, profile),
            **render_proofs(artefact.sha256, profile),
        }
        for name, text in renamed(texts, prefix).items():
            write_bytes(folder / name, text.encode("ascii"))
        write_bytes(folder / f"{prefix}_parameters.bin", image)
        _write_graphs(folder, model, artefact, prefix)
        net = json.loads(artefact.file(NET_FILE).read_bytes())
        write_bytes(folder / "fidelity.json", canonical_json(fidelity(net, model).payload()))
        outcomes = run_proofs(folder, prefix) if prove else None
        # What runs next to the exported code needs of the model, without knowing how it was made.
        return {
            "model": model.payload(),
            "model_sha256": artefact.sha256,
            "profile": profile.name,
            "prefix": prefix,
            "proofs": outcomes,
        }

    return stage.run(work, replace=replace, force=force)


def _write_graphs(folder: Path, model: DeployedModel, artefact: Artefact, prefix: str) -> None:
    """Write the ONNX graphs and the requirements as queries, each with the hashes of all that it belongs to."""
    requirements = requirements_of(artefact.config.get("requirements", []))
    provenance = {f"crumple_sha256_{path.name}": sha256_file(path) for path in sorted(folder.glob("*.[ch]"))}
    provenance |= {
        "crumple_sha256_net.json": artefact.files[NET_FILE],
        f"crumple_sha256_{prefix}_parameters.bin": sha256_file(folder / f"{prefix}_parameters.bin"),
        "crumple_sha256_requirements": sha256_bytes(canonical_json([each.payload() for each in requirements])),
    }
    provenance |= {f"crumple_sha256_{each.id}.property.json": property_sha256(each) for each in requirements}
    net = json.loads(artefact.file(NET_FILE).read_bytes())
    write_bytes(folder / "crumple_integer.onnx", integer_graph(model, artefact.sha256, provenance))
    write_bytes(folder / "crumple_float.onnx", float_graph(net, model, artefact.sha256, provenance))
    shared = {"crumple_model_sha256": artefact.sha256, **provenance}
    files, index = render_questions(model, requirements, shared)
    for name, data in files.items():
        write_bytes(folder / name, data)
    write_bytes(folder / QUESTIONS_FILE, canonical_json(index))


def validate_stage(
    model_folder: Path,
    export_folder: Path,
    corpus_folders: list[Path],
    out: Path,
    *,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Compare Python, C and ONNX on every window of the corpora and on stress signals.

    The payload counts windows and differences, and names the compiler.

    Parameters
    ----------
    model_folder, export_folder : Path
        The reference, and what was printed from it.
    corpus_folders : list of Path
        Corpora to compare on; none compares on stress signals alone.
    out : Path
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told signals done and a status text.

    Raises
    ------
    ArtefactError
        The export was printed from another model.
    ToolMissingError
        No C compiler.
    """
    model, model_artefact = read_model(model_folder)
    export = read_export(export_folder)
    if export.parents["model"] != model_artefact.sha256:
        raise ArtefactError(f"{export.path}: printed from another model than {model_artefact.path}; export again")
    compiler = find_compiler()
    corpora = {f"corpus_{k}": read_artefact(f / MANIFEST, "crumple.corpus/1") for k, f in enumerate(corpus_folders)}
    parents = {"model": model_artefact.sha256, "export": export.sha256}
    parents |= {name: artefact.sha256 for name, artefact in corpora.items()}
    stage = Stage(out, VALIDATION_FILE, VALIDATION_SCHEMA, parents, {})

    def work(folder: Path) -> Json:
        total = _compare_all(model, export, corpus_folders, advance)
        return {**total, "compiler": compiler.name}

    return stage.run(work, replace=replace, force=force)


def _compare_all(
    model: DeployedModel, export: Artefact, corpus_folders: list[Path], advance: Advance
) -> dict[str, int]:
    """Sum of the comparisons on stress signals alone (no corpus) or on each corpus."""
    compiler = find_compiler()
    corpora: list[Corpus | None] = [read_corpus(folder)[0] for folder in corpus_folders]
    parts = [
        compare(model, export.path.parent, corpus, compiler, advance, prefix=export.payload["prefix"])
        for corpus in corpora or [None]
    ]
    keys = asdict(parts[0])
    return {key: sum(asdict(part)[key] for part in parts) for key in keys}
