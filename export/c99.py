"""Print a DeployedModel as C99 that looks hand-written: integers only, no heap, all state the caller's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import resources
from typing import Any

from crumple.integers import INT16_MAX, fits
from crumple.model.deployed import DeployedModel
from crumple.units import count_mps

from .calibration import parameter_crc32
from .profiles import EXACT16, MOST_AT_ONCE, MOST_AT_ONCE_SHORT, Profile, at_once, check_printable, pairs_at_once

TEMPLATE_VERSION = 2


def render_c(model: DeployedModel, model_sha256: str, profile: Profile = EXACT16) -> dict[str, str]:
    """The C files of a model.

    Parameters
    ----------
    model : DeployedModel
    model_sha256 : str
        SHA-256 of the model's file, printed into every file.
    profile : Profile
        Word lengths and instructions. The integers are the same in each.

    Returns
    -------
    dict
        File name to text: ``crumple_model.h``, ``crumple_model.c``, ``crumple_arming.h``.

    Raises
    ------
    ModelError
        A sum cannot be proved to fit, or a weight does not fit the profile.
    """
    check_printable(model, profile)
    shared = {"model_sha256": model_sha256}
    block = model.block_samples * model.clamp_lsb
    net = {
        **shared,
        "profile": profile.name,
        "template_version": TEMPLATE_VERSION,
        "dsp": profile.dual_multiply,
        "pairs": pairs_at_once(model.n_blocks) if profile.dual_multiply else 0,
        "wide": 1 if profile.compact else at_once(model.n_hidden, MOST_AT_ONCE),
        "narrow": 1 if profile.compact else at_once(model.n_hidden, MOST_AT_ONCE_SHORT),
        "block_type": "int16_t" if fits(block, INT16_MAX) else "int32_t",
        "weight_type": f"int{profile.weight_bits}_t",
        "parameters_crc32": f"{parameter_crc32(model, profile):08X}",
        "output_weight_sum": grouped(sum(abs(weight) for weight in model.output_weight)),
        "lsb_g": model.lsb_g,
        "period_us": float(model.sample_period_s * 1_000_000),
        "sample_rate_hz": model.sample_rate_hz,
        "clamp_lsb": model.clamp_lsb,
        "block_samples": model.block_samples,
        "n_blocks": model.n_blocks,
        "window_samples": model.window_samples,
        "n_hidden": model.n_hidden,
        "confirm_votes": model.confirm_votes,
        "confirm_window": model.confirm_window,
        "hidden_weight_rows": [wrapped(row, indent=8) for row in model.hidden_weight],
        "hidden_bias": wrapped(model.hidden_bias, indent=8),
        "output_weight": wrapped(model.output_weight, indent=8),
        "output_bias": model.output_bias,
        "block_magnitude": grouped(block),
        "hidden_magnitude": grouped(max(model.hidden_magnitude)),
        "output_magnitude": grouped(model.output_magnitude),
    }
    rule = model.arming
    units_per_g = math.lcm(model.lsb_g.denominator, rule.lsb_g.denominator)
    arming = {
        **shared,
        "lsb_g": rule.lsb_g,
        "clamp_lsb": rule.clamp_lsb,
        "window_samples": rule.window_samples,
        "threshold_lsb": rule.threshold_lsb,
        "hold_samples": rule.hold_samples,
        "main_units": int(model.lsb_g * units_per_g),
        "safing_units": int(rule.lsb_g * units_per_g),
        "units_per_g": units_per_g,
        "delta_v_mps": f"{float(rule.threshold_lsb * count_mps(rule.lsb_g, model.sample_period_s)):.3f}",
    }
    return {
        "crumple_model.h": render_template("crumple_model.h.in", net),
        "crumple_model.c": render_template("crumple_model.c.in", net),
        "crumple_arming.h": render_template("crumple_arming.h.in", arming),
    }


def render_template(name: str, values: dict[str, Any]) -> str:
    """Fill a C template with ``values``; an unknown name in it is an error.

    Delimiters ``@{ }@`` do not collide with C.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        variable_start_string="@{",
        variable_end_string="}@",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    text = resources.files("crumple.export.templates").joinpath(name).read_text(encoding="utf-8")
    return environment.from_string(text).render(values)


def wrapped(values: Iterable[int | str], *, indent: int, width: int = 100) -> str:
    """``values`` separated by commas, in lines of ``width`` after ``indent`` spaces, as a careful colleague would."""
    lines, line = [], ""
    for number in values:
        piece = f"{number}, "
        if line and len(line) + len(piece) > width - indent:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line.rstrip().rstrip(","))
    return ("\n" + " " * indent).join(lines)


def grouped(number: int) -> str:
    """A ``number`` with its thousands set apart, for comments."""
    return f"{number:,}".replace(",", " ")
