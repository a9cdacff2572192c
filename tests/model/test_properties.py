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
kind = "signals"
amplitude_g = "3"
"""


def test_the_shipped_reference_set_is_readable_and_states_the_origin_of_every_number() -> None:
    requirements = read_requirements(None)
    assert {"P1", "P2", "P8", "P12"} <= {requirement.property.split()[0] for requirement in requirements}
    assert all(requirement.origin and requirement.rationale for requirement in requirements)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD)
    (requirement,) = read_requirements(path)
    assert requirement.set == {"kind": "signals", "amplitude_g": "3"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("amplitude_g", "amplitude_mps"), "set of kind 'signals' has keys"),
        (('amplitude_g = "3"', 'amplitude_g = "3"\nslew_g = "1"'), "set of kind 'signals' has keys"),
        (('amplitude_g = "3"', 'amplitude_g = "1e999"'), "expected a positive decimal"),
        (('amplitude_g = "3"', "amplitude_g = [3]"), "expected a positive decimal"),
        (('claim = "never_requests_fire"', 'claim = "never_requests_fire"\nby_ms = "3"'), "by_ms"),
        (('kind = "signals"\namplitude_g = "3"', 'kind = "recorded"\ncounts = "3"'), "list of whole counts"),
        (('kind = "signals"\namplitude_g = "3"', 'kind = "recorded"\ncounts = []'), "list of whole counts"),
        (('claim = "never_requests_fire"', 'claim = "fires_by"'), "not defined over a set"),
        (('amplitude_g = "3"', 'amplitude_g = "three"'), "expected a positive decimal"),
        (('amplitude_g = "3"', 'amplitude_g = "-3"'), "expected a positive decimal"),
        (('amplitude_g = "3"', "amplitude_g = 3.0"), "amplitude_g"),
        (('kind = "signals"', 'kind = "loudness"'), "known kinds"),
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


def test_a_timed_claim_needs_its_time(tmp_path: Path) -> None:
    timed = GOOD.replace("never_requests_fire", "fires_by").replace('"signals"', '"recorded"')
    timed = timed.replace('amplitude_g = "3"', "counts = [0, 1, -2]")
    path = tmp_path / "r.toml"
    path.write_text(timed)
    with pytest.raises(ConfigError, match="by_ms"):
        read_requirements(path)
    path.write_text(timed.replace("[requirement.set]", 'by_ms = "20"\n[requirement.set]'))
    (requirement,) = read_requirements(path)
    assert requirement.set == {"kind": "recorded", "counts": (0, 1, -2)}
    # The property file tells a recorded sequence as the corridor of no width that it is.
    assert requirement.payload()["set"] == {"kind": "corridor", "lower": [0, 1, -2], "upper": [0, 1, -2]}
