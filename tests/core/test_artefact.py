"""Artefacts: canonical bytes, hashes that hold, and stages that never harm what they did not make."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple import MADE_BY
from crumple.artefact import (
    Stage,
    canonical_json,
    envelope,
    read_artefact,
    sha256_bytes,
    sha256_file,
    write_bytes,
)
from crumple.errors import ArtefactError, CheckFailedError, OutputError, WouldOverwriteError

SCHEMA = "crumple.probe/1"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def stage(out: Path, *, config: Any = None, parents: dict[str, str] | None = None, schema: str = SCHEMA) -> Stage:
    return Stage(out, "probe.json", schema, parents or {}, {"n": 1} if config is None else config)


def work(text: str = "payload", value: Any = 7) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        (folder / "data.bin").write_text(text)
        return {"value": value}

    return run


def refuse(folder: Path) -> Any:
    raise AssertionError("the work was done again")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def forged(path: Path, **changes: Any) -> Path:
    """An artefact whose document was changed and whose digest was computed anew, as a forger would."""
    document = json.loads(path.read_bytes()) | changes
    del document["sha256"]
    document["sha256"] = sha256_bytes(canonical_json(document))
    path.write_bytes(canonical_json(document))
    return path


# -- bytes -------------------------------------------------------------------------------------------


@given(json_values)
def test_canonical_bytes_survive_a_round_trip(value: Any) -> None:
    data = canonical_json(value)
    assert canonical_json(json.loads(data)) == data


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


def test_canonical_bytes_are_one_ascii_line_without_spaces() -> None:
    assert canonical_json({"ü": [1, 0.1], "a": None}) == b'{"a":null,"\\u00fc":[1,0.1]}\n'


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [float("-inf")]])
def test_numbers_that_are_not_finite_have_no_canonical_bytes(bad: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(bad)


def test_file_and_bytes_are_hashed_alike_beyond_one_piece(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 17)
    (tmp_path / "f").write_bytes(data)
    assert sha256_file(tmp_path / "f") == sha256_bytes(data) == hashlib.sha256(data).hexdigest()


def test_the_digest_is_that_of_the_document_without_itself() -> None:
    document = json.loads(envelope(SCHEMA, {"a": 1}))
    digest = document.pop("sha256")
    assert digest == sha256_bytes(canonical_json(document))
    assert document == {
        "config": {},
        "files": {},
        "made_by": MADE_BY,
        "parents": {},
        "payload": {"a": 1},
        "schema": SCHEMA,
    }


# -- reading -----------------------------------------------------------------------------------------


@given(position=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_refused(tmp_path_factory: pytest.TempPathFactory, position: int, flip: int) -> None:
    data = bytearray(envelope(SCHEMA, {"threshold": 1234, "name": "näme"}, parents={"corpus": "0" * 64}))
    data[position % len(data)] ^= flip
    path = tmp_path_factory.mktemp("changed") / "probe.json"
    path.write_bytes(data)
    with pytest.raises(ArtefactError):
        read_artefact(path, SCHEMA)


@given(cut=st.integers(min_value=0))
def test_a_truncated_artefact_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    data = envelope(SCHEMA, {"threshold": 1234})
    path = tmp_path_factory.mktemp("cut") / "probe.json"
    path.write_bytes(data[: cut % len(data)])
    with pytest.raises(ArtefactError):
        read_artefact(path, SCHEMA)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe{}",
        b'{"schema":"crumple.probe/1"}',
        b"[" * 100_000,
        b"1" * 10_000,
        envelope(SCHEMA, 1).rstrip(b"\n"),
        envelope(SCHEMA, 1) + b"\n",
        envelope(SCHEMA, 1).replace(b'"payload":1', b'"payload":1,"payload":1'),
        envelope(SCHEMA, 1).replace(b'"payload":1', b'"payload":NaN'),
        envelope(SCHEMA, 1).replace(b'"payload":1', b'"payload":1e999'),
        json.dumps(json.loads(envelope(SCHEMA, 1)), indent=1).encode(),
        envelope(SCHEMA, 1).decode().encode("utf-16"),
    ],
    ids=range(15),
)
def test_what_is_no_canonical_artefact_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "probe.json"
    path.write_bytes(data)
    with pytest.raises(ArtefactError, match=r"probe\.json"):
        read_artefact(path, SCHEMA)


def test_a_document_nested_beyond_the_interpreter_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    for depth in (800, 900, 980, 1000):
        keys = dict.fromkeys(["config", "files", "made_by", "parents", "sha256"], 0) | {"schema": SCHEMA}
        head = json.dumps(keys)[:-1].encode()
        path.write_bytes(head + b',"payload":' + b"[" * depth + b"]" * depth + b"}")
        with pytest.raises(ArtefactError):
            read_artefact(path, SCHEMA)


def test_another_schema_is_named(tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_bytes(envelope("crumple.other/3", 1))
    with pytest.raises(ArtefactError, match=r"'crumple\.other/3', expected 'crumple\.probe/1'"):
        read_artefact(path, SCHEMA)


def test_a_missing_artefact_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot read"):
        read_artefact(tmp_path / "nothing.json", SCHEMA)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": ["data.bin"]},
        {"files": {"data.bin": 3}},
        {"files": None},
        {"parents": "none"},
        {"parents": {"corpus": None}},
        {"made_by": 3},
        {"files": {"../data.bin": "0" * 64}},
        {"files": {"a\\b": "0" * 64}},
        {"files": {".hidden": "0" * 64}},
        {"files": {"": "0" * 64}},
        {"files": {"a\0b": "0" * 64}},
    ],
    ids=str,
)
def test_a_forged_document_with_a_right_digest_is_still_not_believed(tmp_path: Path, changes: dict[str, Any]) -> None:
    made = stage(tmp_path / "out").run(work())
    with pytest.raises(ArtefactError):
        read_artefact(forged(made.path, **changes), SCHEMA)


def test_a_changed_payload_file_is_refused(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    made.file("data.bin").write_text("payloaD")
    with pytest.raises(ArtefactError, match=r"data\.bin: was changed"):
        read_artefact(made.path, SCHEMA)


def test_a_missing_payload_file_is_refused(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    made.file("data.bin").unlink()
    with pytest.raises(ArtefactError, match=r"data\.bin: missing"):
        read_artefact(made.path, SCHEMA)


def test_only_vouched_files_are_handed_out(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    (tmp_path / "out" / "other.bin").write_text("x")
    with pytest.raises(ArtefactError, match="vouches for no file"):
        made.file("other.bin")


def test_the_name_under_which_children_refer_to_it_is_the_hash_of_the_file(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()


# -- writing -----------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_leaves_no_temporary(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"one")
    write_bytes(tmp_path / "f", b"two")
    assert tree(tmp_path) == {"f": b"two"}


@pytest.mark.parametrize("where", ["missing/f", "file/f"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_bytes(tmp_path / where, b"data")


# -- stages ------------------------------------------------------------------------------------------


def test_the_same_stage_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    stage(tmp_path / "a").run(work())
    stage(tmp_path / "b").run(work())
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_no_path_reaches_the_artefact(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    assert str(tmp_path).encode() not in made.path.read_bytes()


def test_a_current_result_is_not_made_again(tmp_path: Path) -> None:
    first = stage(tmp_path / "out").run(work())
    assert stage(tmp_path / "out").run(refuse) == first


@pytest.mark.parametrize("config", [{"box": (1, 2)}, {}, [], {"nested": {"deep": [None, True]}}], ids=str)
def test_a_result_is_current_whatever_shape_its_settings_have(tmp_path: Path, config: Any) -> None:
    first = Stage(tmp_path / "out", "probe.json", SCHEMA, {}, config).run(work())
    assert Stage(tmp_path / "out", "probe.json", SCHEMA, {}, config).run(refuse) == first


def test_a_stage_without_settings_is_current_too(tmp_path: Path) -> None:
    bare = Stage(tmp_path / "out", "probe.json", SCHEMA, {}, None)
    assert bare.run(work()) == bare.run(refuse)


@pytest.mark.parametrize("config", [{"n": 2}, {"n": 1.0}, {"n": True}, {"n": 1, "m": 0}], ids=str)
def test_other_settings_make_a_result_stale(tmp_path: Path, config: Any) -> None:
    stage(tmp_path / "out").run(work())
    assert stage(tmp_path / "out", config=config).current() is None


def test_other_parents_make_a_result_stale(tmp_path: Path) -> None:
    stage(tmp_path / "out", parents={"corpus": "a" * 64}).run(work())
    assert stage(tmp_path / "out", parents={"corpus": "b" * 64}).current() is None
    assert stage(tmp_path / "out", parents={"corpus": "a" * 64}).current() is not None


def test_another_version_of_crumple_makes_a_result_stale(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    forged(made.path, made_by="crumple 0.0.0")
    assert stage(tmp_path / "out").current() is None


def test_a_stale_result_is_refused_unless_asked(tmp_path: Path) -> None:
    stage(tmp_path / "out").run(work("old"))
    before = tree(tmp_path)
    with pytest.raises(WouldOverwriteError, match="--force"):
        stage(tmp_path / "out", config={"n": 2}).run(refuse)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("how", ["replace", "force"])
def test_a_stale_result_is_replaced_when_asked(tmp_path: Path, how: str) -> None:
    stage(tmp_path / "out").run(work("old"))
    made = stage(tmp_path / "out", config={"n": 2}).run(work("new"), **{how: True})
    assert made.file("data.bin").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_force_makes_even_a_current_result_again(tmp_path: Path) -> None:
    stage(tmp_path / "out").run(work("old"))
    assert stage(tmp_path / "out").run(work("new"), force=True).file("data.bin").read_text() == "new"


def test_a_changed_result_is_reported_and_only_force_replaces_it(tmp_path: Path) -> None:
    made = stage(tmp_path / "out").run(work())
    made.file("data.bin").write_text("tampered")
    for asked in ({}, {"replace": True}):
        with pytest.raises(ArtefactError):
            stage(tmp_path / "out").run(refuse, **asked)
    assert stage(tmp_path / "out").run(work(), force=True).file("data.bin").read_text() == "payload"


def test_force_replaces_a_result_of_an_older_schema(tmp_path: Path) -> None:
    stage(tmp_path / "out").run(work("old"))
    newer = stage(tmp_path / "out", schema="crumple.probe/2")
    with pytest.raises(ArtefactError, match="schema"):
        newer.run(refuse)
    assert newer.run(work("new"), force=True).schema == "crumple.probe/2"


@pytest.mark.parametrize("asked", [{}, {"replace": True}, {"force": True}], ids=str)
@pytest.mark.parametrize("beside", [False, True])
def test_foreign_files_are_never_overwritten(tmp_path: Path, asked: dict[str, bool], beside: bool) -> None:
    out = tmp_path / "out"
    if beside:
        stage(out).run(work())
    else:
        out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(WouldOverwriteError):
        stage(out, config={"n": 2}).run(refuse, **asked)
    assert tree(tmp_path) == before


TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# made by make\n"


def test_what_was_built_in_a_tagged_scratch_folder_does_not_stand_in_the_way_and_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stage(out).run(work())
    (out / "build" / "objects").mkdir(parents=True)
    (out / "build" / "CACHEDIR.TAG").write_bytes(TAG)
    (out / "build" / "objects" / "a.o").write_bytes(b"code")
    again = dataclasses.replace(stage(out, config={"n": 2}), scratch=("build",))
    with pytest.raises(WouldOverwriteError, match="--force replaces it, and removes what was built in 'build'"):
        again.run(refuse)
    again.run(work("new"), force=True)
    assert sorted(tree(out)) == ["data.bin", "probe.json"]


@pytest.mark.parametrize(
    ("folder", "tag"),
    [("build", None), ("build", b""), ("build", b"Signature: 0"), ("other", TAG)],
    ids=["no tag", "empty tag", "wrong tag", "another name"],
)
def test_a_scratch_folder_without_its_tag_or_name_is_foreign(tmp_path: Path, folder: str, tag: bytes | None) -> None:
    out = tmp_path / "out"
    stage(out).run(work())
    (out / folder).mkdir()
    (out / folder / "thesis.txt").write_text("years of work")
    if tag is not None:
        (out / folder / "CACHEDIR.TAG").write_bytes(tag)
    before = tree(tmp_path)
    with pytest.raises(WouldOverwriteError, match=f"holds '{folder}', which this stage did not make"):
        dataclasses.replace(stage(out, config={"n": 2}), scratch=("build",)).run(refuse, force=True)
    assert tree(tmp_path) == before


def test_a_link_to_a_tagged_folder_elsewhere_is_foreign(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "cache"
    stage(out).run(work())
    elsewhere.mkdir()
    (elsewhere / "CACHEDIR.TAG").write_bytes(TAG)
    try:
        (out / "build").symlink_to(elsewhere, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(WouldOverwriteError, match="holds 'build'"):
        dataclasses.replace(stage(out, config={"n": 2}), scratch=("build",)).run(refuse, force=True)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"not json", b"\xff\xfe", b'{"files": 3}', b"[" * 100_000, envelope("crumple.other/1", 1)],
    ids=range(7),
)
def test_force_spares_a_foreign_file_that_only_shares_the_name(tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "probe.json").write_bytes(content)
    with pytest.raises(WouldOverwriteError, match=r"probe\.json"):
        stage(out).run(refuse, force=True)
    assert tree(out) == {"probe.json": content}


def test_a_file_is_not_taken_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(WouldOverwriteError, match="is a file"):
        stage(tmp_path / "out").run(refuse, force=True)


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert stage(tmp_path / "out").run(work()).payload == {"value": 7}


def test_missing_parent_folders_are_made(tmp_path: Path) -> None:
    assert stage(tmp_path / "a" / "b" / "out").run(work()).payload == {"value": 7}


@pytest.mark.parametrize("where", [".", "..", "a/.."])
def test_a_place_without_a_name_of_its_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="--out must name a folder"):
        stage(Path(where)).run(refuse)


def test_a_file_in_place_of_the_parent_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="--out"):
        stage(tmp_path / "file" / "out").run(refuse)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere")
def test_a_folder_without_permission_is_an_output_error(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="--out"):
        stage(locked / "out").run(refuse)


@pytest.mark.parametrize("failure", [RuntimeError("bug"), KeyboardInterrupt(), CheckFailedError("no")], ids=repr)
@pytest.mark.parametrize("before", [False, True])
def test_a_failure_leaves_nothing_half_written_and_what_was_there(
    tmp_path: Path, failure: BaseException, before: bool
) -> None:
    if before:
        stage(tmp_path / "out").run(work("old"))
    was = tree(tmp_path)

    def fail(folder: Path) -> Any:
        (folder / "data.bin").write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        stage(tmp_path / "out", config={"n": 2}).run(fail, replace=True)
    assert tree(tmp_path) == was
    assert [entry.name for entry in tmp_path.iterdir()] == (["out"] if before else [])


def test_a_failure_while_putting_in_place_brings_the_old_result_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage(tmp_path / "out").run(work("old"))
    was = tree(tmp_path)
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial") and self.is_dir():
            raise OSError(28, "No space left on device", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        stage(tmp_path / "out", config={"n": 2}).run(work("new"), replace=True)
    assert tree(tmp_path) == was


def test_a_full_disk_during_the_work_is_an_output_error(tmp_path: Path) -> None:
    def fill(folder: Path) -> Any:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        stage(tmp_path / "out").run(fill)


def test_a_missing_input_of_the_work_is_not_called_an_unwritable_output(tmp_path: Path) -> None:
    def read(folder: Path) -> Any:
        return (tmp_path / "nothing.csv").read_text()

    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        stage(tmp_path / "out").run(read)


@pytest.mark.parametrize("error", [WouldOverwriteError("there"), OutputError("full")], ids=repr)
def test_an_error_with_its_own_words_and_exit_code_passes_through(tmp_path: Path, error: Exception) -> None:
    def fail(folder: Path) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        stage(tmp_path / "out").run(fail)
    assert caught.value is error


def test_a_payload_that_is_not_finite_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        stage(tmp_path / "out").run(work(value=float("nan")))
    assert list(tmp_path.iterdir()) == []
