"""Profiles of the exported C: which word lengths and which instructions the same exact net is printed for."""

from __future__ import annotations

from dataclasses import dataclass

from crumple.errors import ModelError
from crumple.integers import INT8_MAX, INT16_MAX, INT32_MAX, fits
from crumple.model.deployed import DeployedModel

MOST_AT_ONCE = 5
"""Nodes that share one pass on a 32-bit core with 13 registers; six spill (measured with gcc 12)."""

MOST_AT_ONCE_SHORT = 3
"""The same for Cortex-M0, where eight registers take part in arithmetic."""

MOST_PAIRS = 8
"""Pairs of inputs in one turn of the loop that multiplies two at a time."""

DIGIT_MAX = 2047
"""Largest digit of a hidden value where products are summed in digits of 11 bits."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a net is printed as C. Every profile gives the same integers.

    Attributes
    ----------
    name : str
        ``exact16``, ``small8`` or ``dsp``.
    weight_bits : int
        Bits of a hidden weight in its table, sign included.
    dual_multiply : bool
        Whether two products an instruction are used where the compiler offers them.
    compact : bool
        One node at a time: least code rather than fewest instructions.
    """

    name: str
    weight_bits: int
    dual_multiply: bool
    compact: bool


EXACT16 = Profile("exact16", 16, dual_multiply=False, compact=False)
SMALL8 = Profile("small8", 8, dual_multiply=False, compact=True)
DSP = Profile("dsp", 16, dual_multiply=True, compact=False)

PROFILES = {profile.name: profile for profile in (EXACT16, SMALL8, DSP)}


def check_printable(model: DeployedModel, profile: Profile) -> None:
    """Prove that every sum of the printed C fits its type, or refuse the model.

    Parameters
    ----------
    model : DeployedModel
    profile : Profile

    Raises
    ------
    ModelError
        There is a second stage, or a weight, a block sum or a sum of digits does not fit; the message says which, by
        how much, and what to do.
    """
    if model.second_stage is not None:
        raise ModelError(
            "the model has a second stage, which is not exported yet: train with second_stage = false;"
            " the first stage keeps its integers"
        )
    largest = max(abs(weight) for row in model.hidden_weight for weight in row)
    if profile.weight_bits == 8 and not fits(largest, INT8_MAX):
        raise ModelError(
            f"profile {profile.name}: a hidden weight is {largest}, 8 bits hold {INT8_MAX};"
            " train with weight_bits = 8 or export as exact16"
        )
    block = model.block_samples * model.clamp_lsb
    if profile.dual_multiply and not fits(block, INT16_MAX):
        raise ModelError(
            f"profile {profile.name}: a block could reach {block} counts, 16 bits hold {INT16_MAX};"
            " export as exact16 or train with fewer block_samples"
        )
    if profile.dual_multiply and model.n_blocks % 2:
        raise ModelError(
            f"profile {profile.name}: takes inputs in pairs, the net has {model.n_blocks}; export as exact16"
        )
    digits = DIGIT_MAX * sum(abs(weight) for weight in model.output_weight)
    if not fits(digits, INT32_MAX):
        raise ModelError(
            f"output weights: a sum of digits could reach {digits}, int32 holds {INT32_MAX};"
            " use fewer hidden nodes or smaller output weights"
        )


def at_once(n_hidden: int, most: int) -> int:
    """Nodes that share one pass over the inputs: the largest divisor of ``n_hidden`` that is at most ``most``."""
    return max(k for k in range(1, most + 1) if n_hidden % k == 0)


def pairs_at_once(n_blocks: int) -> int:
    """Pairs in one turn of the dual loop: the largest divisor of ``n_blocks`` / 2 that is at most ``MOST_PAIRS``."""
    return max(k for k in range(1, MOST_PAIRS + 1) if (n_blocks // 2) % k == 0)
