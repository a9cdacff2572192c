"""A corpus read in batches is the corpus read whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from crumple.artefact import canonical_json, sha256_bytes, sha256_file
from crumple.errors import ArtefactError, ConfigError, CorpusError
from crumple.signals.batches import CorpusInMemory, open_corpus
from crumple.signals.corpus import DATA, MANIFEST, Corpus, corpus_stage, read_corpus, write_corpus
from crumple.signals.generate import CorpusPlan, generate

PLAN = CorpusPlan(counts={"rigid_barrier": 5, "rough_road": 4, "misuse_then_crash": 3, "hammer": 3})


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return generate(PLAN)


@pytest.fixture
def folder(corpus: Corpus, tmp_path: Path) -> Path:
    corpus_stage(tmp_path / "corpus", {}, {}).run(lambda out: write_corpus(corpus, out))
    return tmp_path / "corpus"


def resigned(folder: Path, change: Any) -> Path:
    """The corpus after ``change`` to its HDF5 file and manifest, signed again as a careless tool would."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    with h5py.File(folder / DATA, "r+") as file:
        change(file, manifest)
    manifest["files"][DATA] = sha256_file(folder / DATA)
    del manifest["sha256"]
    manifest["sha256"] = sha256_bytes(canonical_json(manifest))
    (folder / MANIFEST).write_bytes(canonical_json(manifest))
    return folder


@pytest.mark.parametrize("most", [1, 2, 256])
def test_batches_hold_every_count_of_every_event_once_and_in_order(folder: Path, most: int) -> None:
    whole, _ = read_corpus(folder)
    seen = 0
    for batch in open_corpus(folder).batches(most):
        assert batch.rows.start == seen and batch.rows.stop - batch.rows.start <= most
        for k, event in enumerate(whole.events[batch.rows]):
            assert np.array_equal(batch.main_lsb[k], event.main_lsb)
            assert np.array_equal(batch.safing_lsb[k], event.safing_lsb)
        seen = batch.rows.stop
    assert seen == len(whole)


def test_a_file_and_the_same_corpus_in_memory_give_the_same_table_and_batches(corpus: Corpus, folder: Path) -> None:
    file, memory = open_corpus(folder), CorpusInMemory.of(corpus)
    for column in ("name", "mode", "source", "label", "rttf_s", "speed_kmh", "first_sample_s", "n_samples"):
        np.testing.assert_array_equal(getattr(file.table, column), getattr(memory.table, column))
    for ours, theirs in zip(file.batches(2), memory.batches(2), strict=True):
        assert ours.rows == theirs.rows and np.array_equal(ours.main_lsb, theirs.main_lsb)


def test_some_events_of_a_table_are_a_table(corpus: Corpus) -> None:
    table = CorpusInMemory.of(corpus).table
    picked = table.picked(table.label == "no_fire")
    assert len(picked) == int((table.label == "no_fire").sum()) and set(picked.label) == {"no_fire"}
    with pytest.raises(CorpusError, match="no events"):
        table.picked(np.zeros(len(table), dtype=np.bool_))


def test_a_batch_of_no_events_is_refused(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        next(CorpusInMemory.of(corpus).batches(0))


def test_an_event_whose_time_is_no_number_is_refused_by_name(corpus: Corpus) -> None:
    broken = replace(corpus.events[0], first_sample_s=float("nan"))
    with pytest.raises(CorpusError, match=r"rigid_barrier_00000.*not finite"):
        CorpusInMemory.of(Corpus(corpus.sensors, (broken, *corpus.events[1:])))
    broken = replace(corpus.events[0], rttf_s=float("inf"))
    with pytest.raises(CorpusError, match=r"rigid_barrier_00000.*infinite"):
        CorpusInMemory.of(Corpus(corpus.sensors, (broken, *corpus.events[1:])))


def test_a_label_nobody_knows_is_refused(folder: Path) -> None:
    def change(file: h5py.File, manifest: Any) -> None:
        labels = file["event/label"][()]
        labels[0] = b"maybe"
        file["event/label"][...] = labels

    with pytest.raises(CorpusError, match="maybe"):
        open_corpus(resigned(folder, change))


def test_a_corpus_whose_sensors_run_at_two_rates_is_refused_as_bad_data(folder: Path) -> None:
    def change(file: h5py.File, manifest: Any) -> None:
        manifest["payload"]["sensors"]["safing"]["sample_rate_hz"] = 1000

    with pytest.raises(CorpusError, match="same rate"):
        open_corpus(resigned(folder, change))


def test_events_that_overlap_in_the_file_are_refused(folder: Path) -> None:
    def change(file: h5py.File, manifest: Any) -> None:
        starts = file["event/main_lsb_start"][()]
        starts[1] -= 1
        file["event/main_lsb_start"][...] = starts

    with pytest.raises(ArtefactError, match="end to end"):
        open_corpus(resigned(folder, change))


def test_a_file_that_holds_fewer_counts_than_it_says_is_refused(folder: Path) -> None:
    def change(file: h5py.File, manifest: Any) -> None:
        for series in ("main_lsb", "safing_lsb"):
            flat = file[series][:-7]
            del file[series]
            file.create_dataset(series, data=flat)

    with pytest.raises(ArtefactError, match="ends before"):
        list(open_corpus(resigned(folder, change)).batches())


def test_a_foreign_file_is_refused(folder: Path) -> None:
    def change(file: h5py.File, manifest: Any) -> None:
        del file["event/label"]

    with pytest.raises(ArtefactError, match="not a corpus"):
        open_corpus(resigned(folder, change))
