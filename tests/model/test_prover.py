"""The prover against independent answers: exhaustive enumeration and a MILP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from crumple.model.analysis import checker, witness
from crumple.model.analysis.properties import Requirement
from crumple.model.analysis.prover import Proved, Unknown, Vacuous, Verdict, Violated, prove, signal_counts, worst_case
from crumple.model.deployed import Arming, DeployedModel


def random_model(seed: int, *, n_hidden: int = 4, n_blocks: int = 4, block: int = 1, scale: int = 9) -> DeployedModel:
    """A small random model; about half its nodes branch."""
    rng = np.random.default_rng(seed)
    return DeployedModel(
        sample_rate_hz=2000,
        lsb_g=Fraction(1, 16),
        clamp_lsb=1920,
        block_samples=block,
        hidden_weight=tuple(
            tuple(int(w) for w in row) for row in rng.integers(-scale, scale + 1, (n_hidden, n_blocks))
        ),
        hidden_bias=tuple(int(b) for b in rng.integers(-6, 7, n_hidden)),
        output_weight=tuple(int(v) for v in rng.integers(-5, 6, n_hidden)),
        output_bias=int(rng.integers(-60, 5)),
        confirm_votes=1,
        confirm_window=1,
        arming=Arming(Fraction(1, 4), 480, 4, 100, 6),
    )


def evidence_holds(model: DeployedModel, wanted: Requirement, verdict: Verdict) -> None:
    """Decided, and the evidence accepted by what reads it alone."""
    trusted = checker.Model(model.payload())
    if isinstance(verdict, Proved):
        checker.check(trusted, wanted.payload(), verdict.certificate)
    else:
        assert isinstance(verdict, Violated), verdict
        witness.check(trusted, wanted.payload(), verdict.certificate)


def amplitude(lsb: int) -> Requirement:
    return requirement({"kind": "signals", "amplitude_g": str(Fraction(lsb, 16))})


def velocity_range(amplitude_lsb: int, range_lsb: int) -> Requirement:
    # The set is stated in km/h: just above the wanted number of counts, so that rounding down gives it back.
    kmh = (range_lsb * Fraction(1, 16) * Fraction(980665, 100000) / 2000) * Fraction(18, 5)
    return requirement(
        {"kind": "signals", "amplitude_g": str(Fraction(amplitude_lsb, 16)), "velocity_range_kmh": str(kmh)}
    )


def requirement(described: dict[str, str]) -> Requirement:
    return Requirement("R", "P", "text", "never_requests_fire", "why", "whence", described)


def enumerated_maximum(model: DeployedModel, amplitude_lsb: int, range_lsb: int | None) -> int:
    """Largest y over every integer window of the set, one by one."""
    best = -(10**18)
    for window in itertools.product(range(-amplitude_lsb, amplitude_lsb + 1), repeat=model.window_samples):
        if range_lsb is not None:
            sums = [0, *itertools.accumulate(window)]
            if max(sums) - min(sums) > range_lsb:
                continue
        best = max(best, model.output_of_window(window))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_proved_bound_covers_every_enumerated_window_of_an_amplitude_set(seed: int) -> None:
    model = random_model(seed)
    worst = worst_case(model, amplitude(2))
    enumerated = enumerated_maximum(model, 2, None)
    assert worst.bound >= enumerated
    # Amplitude sets are boxes with integer corners, where y's maximum need not lie; but the gap stays small.
    assert float(worst.bound) - worst.reached <= 1.01 * (1 + abs(float(worst.bound)) / 10_000)


@pytest.mark.parametrize("seed", range(12))
def test_the_proved_bound_covers_every_enumerated_window_of_a_velocity_range_set(seed: int) -> None:
    model = random_model(seed)
    assert worst_case(model, velocity_range(2, 3)).bound >= enumerated_maximum(model, 2, 3)


@pytest.mark.parametrize("seed", range(10))
def test_the_worst_case_lies_between_the_whole_and_the_real_optimum_of_a_mixed_integer_programme(seed: int) -> None:
    model = random_model(100 + seed, n_hidden=8, n_blocks=6, block=2, scale=50)
    wanted = velocity_range(40, 60)
    worst = worst_case(model, wanted, gap=1e-6)
    real, whole = milp_maximum(model, wanted, whole=False), milp_maximum(model, wanted, whole=True)
    assert whole - 1e-6 * (1 + abs(whole)) <= float(worst.bound) <= real + 1e-3 * (1 + abs(real))


@pytest.mark.parametrize("seed", range(20))
def test_verdicts_agree_with_enumeration_and_each_certificate_is_accepted(seed: int) -> None:
    model = random_model(200 + seed)
    verdict = prove(model, amplitude(2))
    enumerated = enumerated_maximum(model, 2, None)
    if isinstance(verdict, Proved):
        assert enumerated <= 0
    elif isinstance(verdict, Violated):
        assert enumerated > 0
        counts = verdict.certificate["witness"]["counts"]
        assert max(abs(u) for u in counts) <= 2
        assert model.fire_requests(model.outputs(np.array(counts))).any()
    else:
        raise AssertionError(f"undecided: {verdict.reason}")
    evidence_holds(model, amplitude(2), verdict)


def test_a_bound_of_exactly_zero_is_a_proof_and_a_bound_of_one_is_not() -> None:
    model = replace(
        random_model(0, n_hidden=1, n_blocks=1),
        hidden_weight=((1,),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-2,
    )
    assert isinstance(prove(model, amplitude(2)), Proved)
    assert isinstance(prove(replace(model, output_bias=-1), amplitude(2)), Violated)


def test_confirmation_makes_a_witness_long_enough_to_request_fire(small_model: DeployedModel) -> None:
    verdict = prove(small_model, amplitude(800))
    assert isinstance(verdict, Violated)
    counts = np.array(verdict.certificate["witness"]["counts"])
    assert small_model.fire_requests(small_model.outputs(counts)).any()


def test_the_arming_path_is_decided_both_ways(small_model: DeployedModel) -> None:
    arms = Requirement("A", "P", "t", "never_arms", "w", "o", {"kind": "signals", "amplitude_g": "6"})
    assert isinstance(prove(small_model, arms), Proved)  # 4 samples of 24 counts stay below 100
    louder = replace(arms, set={"kind": "signals", "amplitude_g": "6.25"})
    assert isinstance(prove(small_model, louder), Violated)  # 4 samples of 25 counts reach it


def milp_maximum(model: DeployedModel, wanted: Requirement, *, whole: bool) -> float:
    """Largest y over the set by scipy's MILP with big-M ReLUs: another formulation, another algorithm."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    counts = signal_counts(model, wanted)
    assert counts is not None
    top, band = counts
    n, m = model.window_samples, model.n_hidden
    w = np.repeat(np.array(model.hidden_weight, dtype=float), model.block_samples, axis=1)
    b = np.array(model.hidden_bias, dtype=float)
    big = np.abs(w).sum(axis=1) * top + np.abs(b) + 1
    # variables: u (n), prefix minimum level (1), h (m), on (m, integer)
    total = n + 1 + 2 * m
    rows, low, high = [], [], []

    def row(coefficients: dict[int, float], lo: float, hi: float) -> None:
        line = np.zeros(total)
        for index, value in coefficients.items():
            line[index] = value
        rows.append(line)
        low.append(lo)
        high.append(hi)

    for k in range(n + 1):  # every prefix sum lies in [level, level + band]
        row({**dict.fromkeys(range(k), 1.0), n: -1.0}, 0.0, band)
    for j in range(m):
        z = {i: w[j, i] for i in range(n)}
        h, on = n + 1 + j, n + 1 + m + j
        row({**{i: -v for i, v in z.items()}, h: 1.0}, b[j], np.inf)  # h >= z
        row({**{i: -v for i, v in z.items()}, h: 1.0, on: big[j]}, -np.inf, b[j] + big[j])  # h <= z unless off
        row({h: 1.0, on: -big[j]}, -np.inf, 0.0)  # h <= 0 unless on
    cost = np.zeros(total)
    cost[n + 1 : n + 1 + m] = -np.array(model.output_weight, dtype=float)
    integrality = np.zeros(total)
    integrality[n + 1 + m :] = 1
    integrality[: n + 1] = whole
    bounds = Bounds(
        np.concatenate([np.full(n, -top), [-band], np.zeros(2 * m)]),
        np.concatenate([np.full(n, top), [0.0], np.full(m, np.inf), np.ones(m)]),
    )
    solved = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), np.array(low), np.array(high)),
        bounds=bounds,
        integrality=integrality,
        options={"mip_rel_gap": 0.0},
    )
    assert solved.status == 0
    return float(-solved.fun) + model.output_bias


def in_words(claim: str, described: dict[str, object], by_ms: str = "") -> Requirement:
    return Requirement("R", "P", "text", claim, "why", "whence", described, by_ms)  # type: ignore[arg-type]


def every_window(model: DeployedModel, bound: int) -> Iterator[tuple[int, ...]]:
    return itertools.product(range(-bound, bound + 1), repeat=model.window_samples)


@pytest.mark.parametrize("seed", range(16))
def test_slew_and_velocity_range_together_agree_with_enumeration(seed: int) -> None:
    model = random_model(300 + seed)
    kmh = 3 * Fraction(1, 16) * Fraction(980665, 100000) / 2000 * Fraction(18, 5)
    slew = Fraction(2 * 2, 16)  # two counts a sample at two samples a ms
    described = {"kind": "signals", "amplitude_g": "1/8", "slew_g_per_ms": str(slew), "velocity_range_kmh": str(kmh)}
    verdict = prove(model, in_words("never_requests_fire", described))
    votes = False
    for window in every_window(model, 2):
        sums = [0, *itertools.accumulate(window)]
        smooth = all(abs(b - a) <= 2 for a, b in itertools.pairwise(window))
        votes |= smooth and max(sums) - min(sums) <= 3 and model.output_of_window(window) > 0
    # Not "violated if votes": a window inside a signal may start anywhere, a signal must rise from rest.
    assert isinstance(verdict, Proved) == (not votes)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("k", [1, 2])
def test_corrupted_samples_agree_with_enumeration(seed: int, k: int) -> None:
    model = replace(random_model(400 + seed), clamp_lsb=4)
    described = {"kind": "signals", "amplitude_g": "1/16", "corrupted_samples": str(k)}
    verdict = prove(model, in_words("never_requests_fire", described))
    votes = any(
        sum(abs(u) > 1 for u in window) <= k and model.output_of_window(window) > 0 for window in every_window(model, 4)
    )
    assert isinstance(verdict, Violated if votes else Proved)


@pytest.mark.parametrize("seed", range(10))
def test_a_moving_bias_agrees_with_enumeration(seed: int) -> None:
    model = random_model(500 + seed)
    described = {"kind": "signals", "amplitude_g": "1/16", "step_g": "1/8"}
    verdict = prove(model, in_words("never_requests_fire", described))
    biases = {
        bias
        for bias in itertools.product(range(-2, 3), repeat=4)
        if sum(abs(b - a) for a, b in itertools.pairwise((0, *bias))) <= 2
    }
    votes = any(
        model.output_of_window([u + b for u, b in zip(window, bias, strict=True)]) > 0
        for window in every_window(model, 1)
        for bias in biases
    )
    assert isinstance(verdict, Violated if votes else Proved)


@pytest.mark.parametrize("seed", range(16))
def test_confirmation_by_two_of_three_votes_agrees_with_enumeration(seed: int) -> None:
    model = replace(random_model(600 + seed, n_hidden=3, n_blocks=3), confirm_votes=2, confirm_window=3)
    verdict = prove(model, in_words("never_requests_fire", {"kind": "signals", "amplitude_g": "1/8"}))
    fires = any(
        sum(model.output_of_window(signal[k : k + 3]) > 0 for k in range(3)) >= 2
        for signal in itertools.product(range(-2, 3), repeat=5)
    )
    assert isinstance(verdict, Violated if fires else Proved)


@pytest.mark.parametrize("seed", range(20))
def test_fires_by_over_a_corridor_agrees_with_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = replace(random_model(700 + seed, n_hidden=3, n_blocks=3), confirm_votes=2, confirm_window=3)
    lower = [int(u) for u in rng.integers(-3, 3, 6)]
    upper = [u + int(width) for u, width in zip(lower, rng.integers(0, 3, 6), strict=True)]
    described = {"kind": "corridor", "lower": tuple(lower), "upper": tuple(upper)}
    verdict = prove(model, in_words("fires_by", described, by_ms="2.5"))
    always = all(
        model.fire_requests(model.outputs(np.array(signal)))[:6].any()
        for signal in itertools.product(*(range(a, b + 1) for a, b in zip(lower, upper, strict=True)))
    )
    assert isinstance(verdict, Proved if always else Violated)
    evidence_holds(model, in_words("fires_by", described, by_ms="2.5"), verdict)


@pytest.mark.parametrize("seed", range(6))
def test_a_corrupted_sample_of_a_recorded_event_agrees_with_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = replace(random_model(40 + seed, n_hidden=3, n_blocks=3), clamp_lsb=6, confirm_votes=2, confirm_window=3)
    counts = tuple(int(u) for u in rng.integers(-3, 4, 5))
    asked = in_words("never_requests_fire", {"kind": "recorded", "counts": counts, "corrupted_samples": "1"})
    fires = any(
        model.fire_requests(model.outputs(np.array([*counts[:k], said, *counts[k + 1 :]]))).any()
        for k in range(5)
        for said in range(-6, 7)
    )
    verdict = prove(model, asked)
    assert isinstance(verdict, Violated if fires else Proved)
    evidence_holds(model, asked, verdict)


@pytest.mark.parametrize("seed", range(6))
def test_a_moving_bias_on_a_recorded_event_agrees_with_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = replace(random_model(60 + seed, n_hidden=3, n_blocks=3), confirm_votes=2, confirm_window=3)
    counts = tuple(int(u) for u in rng.integers(-3, 4, 5))
    asked = in_words("never_requests_fire", {"kind": "recorded", "counts": counts, "step_g": "1/8"})  # two counts
    biases = [
        bias for bias in itertools.product(range(-2, 3), repeat=5)
        if sum(abs(b - a) for a, b in itertools.pairwise((0, *bias))) <= 2
    ]  # fmt: skip
    fires = any(model.fire_requests(model.outputs(np.array(counts) + bias)).any() for bias in biases)
    verdict = prove(model, asked)
    assert isinstance(verdict, Violated if fires else Proved)
    evidence_holds(model, asked, verdict)


def test_a_tolerance_box_is_proved_up_to_its_radius_and_violated_beyond() -> None:
    # One node that sums four samples: y = sum - 90. Recorded 4 x 30 counts: fires while 120 (1 - gain) > 90.
    model = replace(
        random_model(0, n_hidden=1),
        hidden_weight=((1, 1, 1, 1),),
        hidden_bias=(0,),
        output_weight=(1,),
        output_bias=-90,
    )
    recorded = {"kind": "recorded", "counts": (30, 30, 30, 30)}
    assert isinstance(prove(model, in_words("fires_by", recorded | {"gain": "0.24"}, "1.5")), Proved)
    # Whole counts alone: with gain 0.3 every sample is 21 counts at least.
    assert isinstance(prove(model, in_words("fires_by", recorded | {"gain": "0.3"}, "1.5")), Violated)
    assert isinstance(prove(model, in_words("fires_by", recorded | {"offset_g": "0.4375"}, "1.5")), Proved)
    assert isinstance(prove(model, in_words("fires_by", recorded | {"noise_g": "0.5"}, "1.5")), Violated)
    assert isinstance(prove(model, in_words("fires_by", recorded, "0.5")), Violated)  # two samples are too few


def test_monotonicity_is_proved_for_weights_of_one_sign_and_refuted_for_others() -> None:
    base = replace(random_model(0, n_hidden=2), hidden_bias=(-3, -1), output_bias=-4)
    rising = replace(base, hidden_weight=((1, 2, 0, 1), (3, 1, 1, 1)), output_weight=(1, 2))
    claim = in_words("monotone", {"kind": "signals", "amplitude_g": "1/2"})
    assert isinstance(prove(rising, claim), Proved)
    falling = replace(rising, output_weight=(2, -3))
    assert isinstance(prove(falling, claim), Violated)


@pytest.mark.parametrize("shape", ["haversine", "half_sine", "triangle"])
@pytest.mark.parametrize("seed", range(8))
def test_every_pulse_of_a_cell_lies_within_its_enclosure(shape: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = checker.Model(random_model(0).payload()).main
    described = {
        "kind": "pulse", "shape": shape, "delta_v_from_kmh": "20", "delta_v_to_kmh": "24",
        "duration_from_ms": "60", "duration_to_ms": "65", "noise_g": "1/32",
    }  # fmt: skip
    poly = checker.polytope(model, "fires_by", described, 0)
    start = model.window + model.m - 1
    n, (slow, fast) = len(poly.samples), (1 / 65, 1 / 60)
    for nth in range(20):
        delta_v, rate, phase = rng.uniform(20, 24), rng.uniform(slow, fast), rng.uniform(0, 1)
        if nth % 3 == 0:  # a corner of the cell
            delta_v, rate, phase = rng.choice([20, 24]), rng.choice([slow, fast]), rng.choice([0, 1])
        x = np.clip((np.arange(n - start) + phase) / 2 * rate, 0, 1)
        unit = {"haversine": 1 - np.cos(2 * np.pi * x), "half_sine": np.pi / 2 * np.sin(np.pi * x)}
        pulse = unit.get(shape, 4 * np.minimum(x, 1 - x)) * delta_v / 3.6 * rate * 1e3 / 9.80665 * 16
        # One gain, one phase and one duration serve all samples; the rest is each sample's own.
        together = {0: (delta_v - 22) / 2, 2 + n: 2 * phase - 1, 3 + n: (2 * rate - slow - fast) / (fast - slow)}
        for k, count in enumerate(pulse, start):
            constant, sample = poly.samples[k]
            shared = sum(float(sample.get(i, 0)) * q for i, q in together.items())
            assert abs(count - float(constant) - shared) <= float(sample[2 + k]) - 0.5 + 1e-9
    smooth = [float(sample[2 + k]) for k, (_, sample) in enumerate(poly.samples) if 3 + n in sample]
    assert len(smooth) > 100 and max(smooth) < 20  # of up to 325 counts that differ by up to 80: told closely


def test_a_pulse_family_fires_by_a_generous_time_and_not_by_a_stingy_one(small_model: DeployedModel) -> None:
    described = {
        "kind": "pulse", "shape": "haversine", "delta_v_from_kmh": "50", "delta_v_to_kmh": "51",
        "duration_from_ms": "80", "duration_to_ms": "81", "gain": "0.08", "offset_g": "1", "noise_g": "0.25",
    }  # fmt: skip
    assert isinstance(prove(small_model, in_words("fires_by", described, "30")), Proved)
    assert isinstance(prove(small_model, in_words("fires_by", described, "1")), Violated)
    assert isinstance(prove(small_model, in_words("arms_by", described, "40")), Proved)
    assert isinstance(prove(small_model, in_words("arms_by", described, "1")), Violated)
    late = prove(small_model, in_words("fires_by", described, "900"))
    assert isinstance(late, Unknown)


def test_reset_is_shown_once_window_votes_and_arming_hold_have_passed(small_model: DeployedModel) -> None:
    assert isinstance(prove(small_model, in_words("resets", {"kind": "quiet", "samples": "11"})), Proved)
    assert isinstance(prove(small_model, in_words("resets", {"kind": "quiet", "samples": "10"})), Unknown)


@pytest.mark.parametrize("seed", range(24))
def test_the_corridor_answer_is_complete_where_real_numbers_do_not_suffice(seed: int) -> None:
    # One or two counts wide, weights that cancel: between whole counts there are votes that no sequence reaches.
    rng = np.random.default_rng(1000 + seed)
    model = replace(random_model(800 + seed, n_hidden=5, n_blocks=4, scale=30), confirm_votes=2, confirm_window=2)
    lower = [int(u) for u in rng.integers(-2, 2, 6)]
    described = {"kind": "corridor", "lower": tuple(lower), "upper": tuple(u + 1 for u in lower)}
    signals = [np.array(s) for s in itertools.product(*((u, u + 1) for u in lower))]
    fired = [model.fire_requests(model.outputs(signal)) for signal in signals]
    fires_by = in_words("fires_by", described, "2.5")
    verdict = prove(model, fires_by)
    assert isinstance(verdict, Proved if all(f.any() for f in fired) else Violated)
    evidence_holds(model, fires_by, verdict)
    never = in_words("never_requests_fire", described)
    verdict = prove(model, never)
    assert isinstance(verdict, Violated if any(f.any() for f in fired) else Proved)
    evidence_holds(model, never, verdict)


@pytest.mark.parametrize("seed", range(12))
def test_slew_limited_signals_from_rest_are_decided_and_agree_with_enumeration(seed: int) -> None:
    model = replace(random_model(900 + seed, n_hidden=3, n_blocks=3), confirm_votes=2, confirm_window=3)
    described = {"kind": "signals", "amplitude_g": "1/8", "slew_g_per_ms": "1/8"}  # one count a sample
    wanted = in_words("never_requests_fire", described)
    verdict = prove(model, wanted)
    fires = any(
        model.fire_requests(model.outputs(np.array(signal))).any()
        for signal in itertools.product(range(-2, 3), repeat=8)
        if abs(signal[0]) <= 1 and all(abs(b - a) <= 1 for a, b in itertools.pairwise(signal))
    )
    if fires:
        assert isinstance(verdict, Violated)
    evidence_holds(model, wanted, verdict)


@pytest.mark.parametrize(
    ("least", "told"),
    [
        ({"amplitude_g": "1/16"}, {"amplitude_g": "1/17"}),
        ({"amplitude_g": "1/16", "below_g": "1/17"}, {"amplitude_g": "1/17", "below_g": "1/17"}),
        ({"amplitude_g": "1/17", "below_g": "1/16"}, None),
        (
            {"amplitude_g": "3", "velocity_range_kmh": "0.001104"},
            {"amplitude_g": "3", "velocity_range_kmh": "0.001103"},
        ),
        ({"amplitude_g": "3", "slew_g_per_ms": "0.125"}, {"amplitude_g": "3", "slew_g_per_ms": "0.124"}),
        ({"amplitude_g": "1/17", "step_g": "1"}, None),
    ],
)
def test_a_set_of_nothing_but_silence_is_vacuous(
    small_model: DeployedModel, least: dict[str, str], told: dict[str, str] | None
) -> None:
    for described in (least, told):
        if described is None:
            continue
        asked = in_words("never_requests_fire", {"kind": "signals", **described})
        voter = checker.Model(small_model.payload()).main
        poly = checker.polytope(voter, "never_requests_fire", asked.payload()["set"], 2)
        # The smallest signals there are, in samples and as velocities.
        smallest = [(0, 1), (0, -1), (0, 0, 1), (0, 0, -1), (0, 1, 2), (1, 0, 0)]
        held = [
            q
            for q in smallest
            if len(q) == len(poly.box)
            and all(low <= value <= top for value, (low, top) in zip(q, poly.box, strict=True))
            and all(sum(a * q[i] for i, a in row.items()) <= most for row, most in poly.rows)
        ]
        verdict = prove(small_model, asked)
        if "step_g" not in described:
            assert isinstance(verdict, Vacuous) is (not held)
        assert isinstance(verdict, Vacuous) is (described is told)
        assert not isinstance(verdict, Vacuous) or "less than a count" in verdict.reason


def test_an_empty_or_contradictory_set_is_vacuous_and_never_proved(small_model: DeployedModel) -> None:
    empty = {"kind": "corridor", "lower": (1, 5), "upper": (1, 4)}
    assert isinstance(prove(small_model, in_words("never_requests_fire", empty)), Vacuous)
    cell = {
        "kind": "pulse", "shape": "haversine", "delta_v_from_kmh": "51", "delta_v_to_kmh": "50",
        "duration_from_ms": "80", "duration_to_ms": "81", "noise_g": "0.25",
    }  # fmt: skip
    assert isinstance(prove(small_model, in_words("fires_by", cell, "30")), Vacuous)


def test_arming_is_decided_over_pulse_families_as_over_signals(small_model: DeployedModel) -> None:
    # The arming sum is a net of one node: the same proofs, the same counterexamples.
    slow = {"kind": "signals", "amplitude_g": "20", "velocity_range_kmh": "0.3"}
    verdict = prove(small_model, in_words("never_arms", slow))
    evidence_holds(small_model, in_words("never_arms", slow), verdict)
    assert isinstance(verdict, Proved)
    assert isinstance(prove(small_model, in_words("never_arms", slow | {"velocity_range_kmh": "2"})), Violated)
