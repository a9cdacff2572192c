"""Requirements as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from crumple.errors import ConfigError
from crumple.model.analysis.properties import read_requirements

GOOD = """
[[requirement]]
id = "R1"
property = "P1"
text = "quiet"
claim = "never_requests_fire"
rationale = "why"
origin = "assumed"
[requirement.set]
kind = "amplitude"
amplitude_g = "3"
"""


def test_the_shipped_reference_set_is_readable_and_states_the_origin_of_every_number() -> None:
    requirements = read_requirements(None)
    assert [requirement.id for requirement in requirements] == ["R1", "R2", "R3", "R4"]
    assert all(requirement.origin and requirement.rationale for requirement in requirements)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD)
    (requirement,) = read_requirements(path)
    assert requirement.set == {"kind": "amplitude", "amplitude_g": "3"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("amplitude_g", "amplitude_mps"), "set of kind 'amplitude' has keys"),
        (('amplitude_g = "3"', 'amplitude_g = "three"'), "expected a positive decimal"),
        (('amplitude_g = "3"', 'amplitude_g = "-3"'), "expected a positive decimal"),
        (('amplitude_g = "3"', "amplitude_g = 3.0"), "amplitude_g"),
        (('kind = "amplitude"', 'kind = "loudness"'), "known kinds"),
        (('claim = "never_requests_fire"', 'claim = "never"'), "claim"),
        (('claim = "never_requests_fire"', 'claim = "accumulators_fit"'), "not defined over a set"),
        (("rationale", "rational"), "rationale"),
        (('id = "R1"', 'id = "../R1"'), "names files"),
        ((GOOD, GOOD + GOOD), "used twice"),
        ((GOOD, ""), "requirement"),
    ],
)
def test_a_bad_file_is_refused_with_the_reason(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=words) as caught:
        read_requirements(path)
    assert "r.toml" in str(caught.value)
