"""Prefixes: what cannot begin a C name is refused, everything else renames files and names alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from crumple.errors import ConfigError
from crumple.export.c99 import render_c
from crumple.export.naming import renamed
from crumple.model.deployed import DeployedModel
from crumple.toolchain import find_compiler


@pytest.mark.parametrize("prefix", ["", "2nd", "a-b", "_x", "a__b", "a_", "Frontal", "für", "x\n", "a.b", "../a"])
def test_a_prefix_that_is_no_c_identifier_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="not a C identifier"):
        renamed({}, prefix)


def test_a_word_of_the_language_and_a_long_prefix_are_refused() -> None:
    with pytest.raises(ConfigError, match="word of the C language"):
        renamed({}, "double")
    with pytest.raises(ConfigError, match="13 characters"):
        renamed({}, "a" * 13)


def test_every_name_and_file_carries_the_prefix_and_it_compiles(small_model: DeployedModel, tmp_path: Path) -> None:
    files = renamed(render_c(small_model, "0" * 64), "side_left")
    assert sorted(files) == ["side_left_arming.h", "side_left_model.c", "side_left_model.h"]
    for name, text in files.items():
        assert "crumple" not in text.lower(), name
        (tmp_path / name).write_text(text, encoding="ascii")
    find_compiler().shared_library([tmp_path / "side_left_model.c"], tmp_path / "m.so", include=[tmp_path])
