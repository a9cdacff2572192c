"""The controller's stage over files: faults."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crumple.artefact import Artefact, Json, Stage
from crumple.export.exported import read_export
from crumple.progress import Advance, quietly
from crumple.signals.corpus import read_corpus
from crumple.toolchain import find_compiler

from .build import build_controller
from .exported import IMAGE_FILE
from .fault_list import Sensor
from .fault_run import Bench, Piece, merged, pieces
from .inject import Injector
from .recorder import Recorder
from .replay import Controller
from .scenes import choose_scenes
from .stages import same_sensors

SCHEMA = "crumple.faults/2"
FILE = "faults.json"


def faults_stage(
    export_folder: Path,
    corpus_folder: Path,
    out: Path,
    *,
    seed: int = 0,
    replace: bool = False,
    force: bool = False,
    advance: Advance = quietly,
) -> Artefact:
    """Try the complete list of single faults on the controller, in rest, in misuse and in crashes of a corpus.

    Pieces that are done are kept beside ``out``, so that an interrupted run goes on where it was. The same inputs give
    the same bytes, with any number of cores.

    Parameters
    ----------
    export_folder, corpus_folder, out : Path
    seed : int
        Of noise and jitter.
    replace, force : bool
        See ``Stage.run``.
    advance : callable
        Told the share of the work done, in thousandths, and the piece at hand.

    Raises
    ------
    CorpusError
        The corpus was sensed by other sensors than the model reads, or holds no crash or no misuse to spoil.
    ToolMissingError, CompileError
    """
    export = read_export(export_folder)
    corpus, corpus_artefact = read_corpus(corpus_folder)
    same_sensors(export, corpus, corpus_artefact)
    compiler = find_compiler()
    parents = {"export": export.sha256, "corpus": corpus_artefact.sha256}
    stage = Stage(out, FILE, SCHEMA, parents, {"seed": seed})
    state = out.parent / f".{out.name}.faults.jsonl"  # beside the folder, which does not exist until all is done

    def work(folder: Path) -> Json:
        with tempfile.TemporaryDirectory(prefix="crumple-", ignore_cleanup_errors=True) as build:
            library = build_controller(export_folder, Path(build), compiler)
            controller, injector = Controller(library), Injector(library)
            scenes, left_out = choose_scenes(corpus, controller, injector)
            main, safing = corpus.sensors.main, corpus.sensors.safing
            sensors = (
                Sensor("main", float(main.lsb), main.clamp_lsb),
                Sensor("safing", float(safing.lsb), safing.clamp_lsb),
            )
            image = (export_folder / IMAGE_FILE).read_bytes()
            bench = Bench(controller, injector, Recorder(library), scenes, sensors, image, seed)
            rows = _done(pieces(bench), Kept(state, stage.key), advance)
        events = [
            {
                "event": s.name,
                "mode": s.mode,
                "class": s.event_class,
                "samples": s.n_samples,
                "moments": list(s.moments),
            }
            for s in scenes
        ]
        return {"events": events, "left_out": left_out, "compiler": compiler.name, **merged(rows)}

    artefact = stage.run(work, replace=replace, force=force)
    state.unlink(missing_ok=True)
    return artefact


@dataclass(frozen=True, slots=True)
class Kept:
    """Pieces that are done, one JSON line each, of the stage with this ``key``, in the file ``path``."""

    path: Path
    key: str

    def load(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by piece; a line that was cut short and lines of another stage are not taken."""
        found = {}
        if not self.path.is_file():
            return {}
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                one = json.loads(line)
                if one["key"] == self.key:
                    found[one["piece"]] = one["rows"]
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def add(self, piece: str, rows: list[dict[str, Any]]) -> None:
        """Append the ``rows`` of a ``piece``."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": self.key, "piece": piece, "rows": rows}) + "\n")


def _done(work: Iterable[Piece], kept: Kept, advance: Advance) -> list[dict[str, Any]]:
    """Rows of all pieces, in their order. The C lets go of the interpreter, so threads use every core."""
    before = kept.load()
    todo = list(work)
    found: dict[str, list[dict[str, Any]]] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        running: dict[str, Future[list[dict[str, Any]]]] = {
            piece.name: pool.submit(piece.run) for piece in todo if piece.name not in before
        }
        try:
            for k, piece in enumerate(todo):
                if piece.name in before:
                    found[piece.name] = before[piece.name]
                else:
                    found[piece.name] = running[piece.name].result()
                    kept.add(piece.name, found[piece.name])
                advance(1000 * (k + 1) // len(todo), piece.name)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [row for piece in todo for row in found[piece.name]]
