"""The reference: what the deployed integers compute."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crumple.errors import ModelError
from crumple.model.deployed import Arming, DeployedModel, SecondStage

counts = st.lists(st.integers(-32768, 32767), min_size=1, max_size=40)


def by_hand(model: DeployedModel, signal: list[int]) -> list[int]:
    """y at every sample, straight from the formula, one sample at a time."""
    window = [0] * model.window_samples
    result = []
    for sample in signal:
        window = [*window[1:], max(-model.clamp_lsb, min(model.clamp_lsb, sample))]
        x = [window[2 * i] + window[2 * i + 1] for i in range(4)]
        h = [max(0, b + sum(w * s for w, s in zip(row, x))) for row, b in zip(model.hidden_weight, model.hidden_bias)]  # noqa: B905
        result.append(model.output_bias + sum(v * a for v, a in zip(model.output_weight, h)))  # noqa: B905
    return result


@settings(max_examples=60, deadline=None)
@given(signal=counts)
def test_vectorised_outputs_equal_the_formula_by_hand(signal: list[int]) -> None:
    model = _model()
    assert model.outputs(np.array(signal)).tolist() == by_hand(model, signal)


@settings(max_examples=60, deadline=None)
@given(signal=counts)
def test_outputs_equal_the_unbounded_integer_reference_at_every_window(signal: list[int]) -> None:
    model = _model()
    padded = [0] * (model.window_samples - 1) + signal
    expected = [model.output_of_window(padded[k : k + model.window_samples]) for k in range(len(signal))]
    assert model.outputs(np.array(signal)).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(votes=st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_fire_request_needs_k_of_the_last_m_votes(votes: list[bool]) -> None:
    model = _model()
    outputs = np.where(votes, 1, 0)
    expected = [sum(votes[max(0, k - 2) : k + 1]) >= 2 for k in range(len(votes))]
    assert model.fire_requests(outputs).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(signal=st.lists(st.integers(-600, 600), min_size=1, max_size=40))
def test_arming_holds_for_the_stated_number_of_samples(signal: list[int]) -> None:
    model = _model()
    rule, hold, expected = model.arming, -1, []
    clamped = [max(-rule.clamp_lsb, min(rule.clamp_lsb, u)) for u in signal]
    for k in range(len(signal)):
        if sum(clamped[max(0, k - rule.window_samples + 1) : k + 1]) >= rule.threshold_lsb:
            hold = k + rule.hold_samples
        expected.append(k <= hold)
    assert model.armed(np.array(signal)).tolist() == expected


def test_each_stage_is_a_model_of_its_own_on_the_same_hidden_layer(small_model: DeployedModel) -> None:
    weight = tuple(-v for v in small_model.output_weight)
    both = replace(small_model, second_stage=SecondStage(weight, 7))
    assert both.n_stages == 2
    assert both.of_stage(1) == small_model
    second = both.of_stage(2)
    assert (second.output_weight, second.output_bias, second.second_stage) == (weight, 7, None)
    assert second.hidden_weight == small_model.hidden_weight
    assert DeployedModel.from_payload(both.payload()) == both
    assert "second_stage" not in small_model.payload()
    with pytest.raises(ModelError, match="stage 2: the model has 1"):
        small_model.of_stage(2)
    with pytest.raises(ModelError, match=r"second stage: .*int16"):
        replace(small_model, second_stage=SecondStage((40_000,) * small_model.n_hidden, 0))


def test_a_model_survives_its_own_file_format(small_model: DeployedModel) -> None:
    assert DeployedModel.from_payload(small_model.payload()) == small_model


def test_a_vote_needs_a_positive_output_not_a_zero_one(small_model: DeployedModel) -> None:
    assert small_model.fire_requests(np.zeros(10, dtype=np.int64)).sum() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_weight": ((32767,) * 200,) * 3}, "more than int32"),
        ({"hidden_weight": ((40000, 0, 0, 0),) * 3}, "int16"),
        ({"hidden_bias": (0, 0)}, "3 entries"),
        ({"hidden_weight": ((1, 2, 3, 4), (1, 2, 3), (1, 2, 3, 4))}, "rows differ"),
        ({"confirm_votes": 4}, "K <= M"),
        ({"confirm_votes": 0}, "K <= M"),
        ({"lsb_g": Fraction(0)}, "out of range"),
        ({"lsb_g": Fraction(1, 10**320)}, "out of range"),
        ({"lsb_g": Fraction(10**320)}, "out of range"),
        ({"sample_rate_hz": 0}, "sample_rate_hz 0: expected 1 or more"),
        ({"output_bias": 2**63}, "more than int64"),
    ],
)
def test_a_model_that_could_overflow_or_contradicts_itself_does_not_exist(
    small_model: DeployedModel, change: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        replace(small_model, **change)  # type: ignore[arg-type]


def test_an_integer_that_only_looks_like_one_is_refused(small_model: DeployedModel) -> None:
    payload = small_model.payload()
    payload["output_bias"] = True
    with pytest.raises(ModelError, match="not an integer"):
        DeployedModel.from_payload(payload)


def _model() -> DeployedModel:
    return DeployedModel(
        2000, Fraction(1, 16), 1920, 2, ((5, 7, 11, 13), (1, 2, 4, 8), (9, -9, 9, -9)), (-2000, -100, 50), (3, 2, -4),
        -5000, 2, 3, Arming(Fraction(1, 4), 480, 4, 100, 6),
    )  # fmt: skip


@pytest.mark.parametrize("told", ["1e-320", "1e999999999", "1/" + "9" * 60, 0.0625, 5e-324, None])
def test_a_scale_that_is_no_short_exact_number_is_refused_at_once(small_model: DeployedModel, told: object) -> None:
    for payload in (small_model.payload() | {"lsb_g": told},
                    small_model.payload() | {"arming": small_model.payload()["arming"] | {"lsb_g": told}}):  # fmt: skip
        with pytest.raises(ModelError, match="lsb_g"):
            DeployedModel.from_payload(payload)
