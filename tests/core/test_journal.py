"""Shards on file: what was finished is found again, what was not is never half-counted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.errors import ArtefactError, ConfigError, OutputError, WouldOverwriteError
from crumple.journal import DIGEST_BYTES, HEAD, Journal, open_journal

PAYLOADS = [b"", b"one", bytes(range(256)), b"CRSH" * 9]


def fill(path: Path) -> None:
    with open_journal(path, "key", 6) as journal:
        for shard, payload in zip((4, 0, 5, 2), PAYLOADS, strict=True):
            journal.append(shard, payload)


def held(journal: Journal, n_shards: int = 6) -> dict[int, bytes]:
    return {shard: journal.read(shard) for shard in range(n_shards) if shard not in set(journal.missing())}


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    fill(tmp_path / "j")
    with open_journal(tmp_path / "j", "key", 6) as journal:
        assert held(journal) == dict(zip((4, 0, 5, 2), PAYLOADS, strict=True))
        assert list(journal.missing()) == [1, 3]
        journal.append(1, b"later")
    with open_journal(tmp_path / "j", "key", 6) as journal:
        assert journal.read(1) == b"later"
        assert len(journal) == 5


def test_a_file_cut_anywhere_keeps_its_whole_shards_and_no_part_of_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "j"
    fill(path)
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    ends = [begin]
    for payload in PAYLOADS:
        ends.append(ends[-1] + HEAD.size + len(payload) + DIGEST_BYTES)
    assert ends[-1] == len(whole)
    expected = dict(zip((4, 0, 5, 2), PAYLOADS, strict=True))
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with open_journal(path, "key", 6) as journal:
            n_whole = sum(end <= cut for end in ends[1:])
            assert held(journal) == dict(list(expected.items())[:n_whole])
            journal.append(1, b"more")  # what was cut off is not in the way
        with open_journal(path, "key", 6) as journal:
            assert journal.read(1) == b"more"
            assert len(journal) == n_whole + 1
    assert "of a shard that was not finished" in caplog.text


def test_a_changed_byte_costs_its_shard_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "j"
    fill(path)
    whole = path.read_bytes()
    begin = whole.index(b"\n") + 1
    expected = dict(zip((4, 0, 5, 2), PAYLOADS, strict=True))
    for place in range(begin, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        caplog.clear()
        with open_journal(path, "key", 6) as journal:
            found = held(journal)
        assert len(found) < len(expected), place
        assert found.items() <= expected.items(), place
        assert "damaged" in caplog.text or "dropped" in caplog.text, place


def test_a_shard_on_file_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[whole.index(b"\n") + 1 :])
    with open_journal(path, "key", 6) as journal:
        assert len(journal) == 4


def test_a_shard_that_changes_while_it_is_needed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path)
    with open_journal(path, "key", 6) as journal:
        data = path.read_bytes()
        path.write_bytes(data.replace(b"one", b"two"))
        with pytest.raises(ArtefactError, match="shard 0 was changed"):
            journal.read(0)


@pytest.mark.parametrize(("key", "n_shards"), [("other", 6), ("key", 7)])
def test_shards_of_other_work_are_not_taken(tmp_path: Path, key: str, n_shards: int) -> None:
    path = tmp_path / "j"
    fill(path)
    before = path.read_bytes()
    with pytest.raises(WouldOverwriteError, match="unfinished work of another plan"), open_journal(path, key, n_shards):
        pass
    assert path.read_bytes() == before
    with open_journal(path, key, n_shards, replace=True) as journal:
        assert len(journal) == 0


@given(data=st.binary(min_size=40, max_size=200))
def test_a_foreign_file_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("j") / "j"
    path.write_bytes(b"not " + data)
    with pytest.raises(WouldOverwriteError, match="no journal of crumple"), open_journal(path, "key", 6):
        pass
    assert path.read_bytes() == b"not " + data


def test_a_second_user_is_turned_away(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path / "j", "key", 6),
        pytest.raises(ConfigError, match="another process is at this campaign"),
        open_journal(tmp_path / "j", "key", 6),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"), open_journal(tmp_path / "file" / "j", "key", 6):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_keeps_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with open_journal(path, "key", 6) as journal:
        journal.append(3, b"done")
        real = journal._stream
        with open("/dev/full", "r+b", buffering=0) as full:  # noqa: PTH123 - unbuffered, as the journal's own
            full.seek = lambda *_: 0  # type: ignore[method-assign, assignment]
            journal._stream = full
            with pytest.raises(OutputError, match="No space left on device; 1 of 6 shards are kept") as caught:
                journal.append(4, b"lost")
            journal._stream = real
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
    with open_journal(path, "key", 6) as journal:
        assert held(journal) == {3: b"done"}


def test_a_write_that_takes_only_a_part_is_an_error_and_leaves_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with open_journal(path, "key", 6) as journal:
        real = journal._stream

        class Short:
            """A disk that takes ten bytes more and no byte after those."""

            room = 10

            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def write(self, data: bytes) -> int:
                taken = real.write(data[: self.room])
                self.room -= taken
                return taken

        journal._stream = Short()  # type: ignore[assignment]
        with pytest.raises(OutputError, match="0 of 6 shards are kept"):
            journal.append(1, b"x" * 100)
    with open_journal(path, "key", 6) as journal:
        assert len(journal) == 0
        assert os.path.getsize(path) < 200  # noqa: PTH202
