"""Print a DeployedModel as C99 that looks hand-written: integers only, no heap, all state the caller's."""

from __future__ import annotations

from importlib import resources
from typing import Any

from crumple.model.deployed import DeployedModel
from crumple.units import count_mps


def render_c(model: DeployedModel, model_sha256: str) -> dict[str, str]:
    """The C files of a model.

    Parameters
    ----------
    model : DeployedModel
    model_sha256 : str
        SHA-256 of the model's file, printed into every file.

    Returns
    -------
    dict
        File name to text: ``crumple_model.h``, ``crumple_model.c``, ``crumple_arming.h``.
    """
    shared = {"model_sha256": model_sha256}
    net = {
        **shared,
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
        "hidden_weight_rows": [_wrapped(row, indent=5) for row in model.hidden_weight],
        "hidden_bias": _wrapped(model.hidden_bias),
        "output_weight": _wrapped(model.output_weight),
        "output_bias": model.output_bias,
        "block_magnitude": _grouped(model.block_samples * model.clamp_lsb),
        "hidden_magnitude": _grouped(max(model.hidden_magnitude)),
        "output_magnitude": _grouped(model.output_magnitude),
    }
    rule = model.arming
    arming = {
        **shared,
        "lsb_g": rule.lsb_g,
        "clamp_lsb": rule.clamp_lsb,
        "window_samples": rule.window_samples,
        "threshold_lsb": rule.threshold_lsb,
        "hold_samples": rule.hold_samples,
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


def _wrapped(values: tuple[int, ...], *, indent: int = 4, width: int = 100) -> str:
    """Numbers separated by commas, wrapped like a careful colleague would."""
    lines, line = [], ""
    for number in values:
        piece = f"{number}, "
        if line and len(line) + len(piece) > width - indent:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line.rstrip().rstrip(","))
    return ("\n" + " " * indent).join(lines)


def _grouped(number: int) -> str:
    """A number with its thousands set apart, for comments."""
    return f"{number:,}".replace(",", " ")
