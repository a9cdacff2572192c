"""Files around the parameter image: HEX and S-record of it, its A2L description, and C that reads it."""

from __future__ import annotations

from dataclasses import dataclass

from crumple.integers import INT32_MAX
from crumple.model.deployed import DeployedModel

from .c99 import render_template, wrapped
from .calibration import (
    BIAS_MAX,
    DEFAULT_ADDRESS,
    OUTPUT_WEIGHT_SUM_MAX,
    intel_hex,
    parameter_image,
    s_record,
)
from .image import HEADER, LAYOUT_VERSION
from .profiles import Profile


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One CHARACTERISTIC of the A2L description.

    Attributes
    ----------
    name, text : str
    address : int
        Of its first byte.
    layout : str
        Name of its record layout: the word length.
    low, high : int
        Limits.
    columns, rows : int
        Shape; 1 x 1 is a value.
    fixed : bool
        Whether a tool may only read it.
    """

    name: str
    text: str
    address: int
    layout: str
    low: int
    high: int
    columns: int = 1
    rows: int = 1
    fixed: bool = False

    @property
    def count(self) -> int:
        """Numbers in it."""
        return self.columns * self.rows

    @property
    def kind(self) -> str:
        """Its ASAP2 type."""
        return "VALUE" if self.count == 1 else "VAL_BLK"


LAYOUTS = (("u8", "UBYTE"), ("u16", "UWORD"), ("u32", "ULONG"), ("i8", "SBYTE"), ("i16", "SWORD"), ("i32", "SLONG"))
WIDE_LAYOUT = ("i64", "A_INT64")


def characteristics(model: DeployedModel, profile: Profile, address: int) -> tuple[Characteristic, ...]:
    """What an image of ``model`` in ``profile`` at ``address`` holds, in order of address."""
    weight_bytes = profile.weight_bits // 8
    weight_max = 2 ** (profile.weight_bits - 1) - 1
    body = address + HEADER.size
    hidden_bias = body + 8
    hidden_weight = hidden_bias + 4 * model.n_hidden
    output_weight = hidden_weight + weight_bytes * model.n_hidden * model.n_blocks
    crc = output_weight + 2 * model.n_hidden
    return (
        Characteristic("layout_version", "Layout of the image", address + 4, "u16", 1, 1, fixed=True),
        Characteristic("clamp_lsb", "Input clamp in counts", address + 18, "u16", 1, 32767, fixed=True),
        Characteristic("model_sha256", "SHA-256 of the model", address + 24, "u8", 0, 255, columns=32, fixed=True),
        Characteristic("output_bias", "Output bias, counts x weights x weights", body, "i64", -BIAS_MAX, BIAS_MAX),
        Characteristic(
            "hidden_bias",
            "Hidden biases, counts x weights",
            hidden_bias,
            "i32",
            -INT32_MAX,
            INT32_MAX,
            columns=model.n_hidden,
        ),
        Characteristic(
            "hidden_weight",
            "Hidden weights, a row for each node, oldest block first",
            hidden_weight,
            f"i{profile.weight_bits}",
            -weight_max,
            weight_max,
            columns=model.n_blocks,
            rows=model.n_hidden,
        ),
        Characteristic("output_weight", "Output weights", output_weight, "i16", -32767, 32767, columns=model.n_hidden),
        Characteristic("crc32", "CRC-32 of everything before it", crc, "u32", 0, 2**32 - 1),
    )


def render_calibration(
    model: DeployedModel, model_sha256: str, profile: Profile, address: int = DEFAULT_ADDRESS
) -> tuple[dict[str, str], bytes]:
    """Text files around the parameter image, and the image.

    Parameters
    ----------
    model : DeployedModel
    model_sha256 : str
        SHA-256 of the model's file.
    profile : Profile
    address : int
        Where HEX, S-record and A2L place the image.

    Returns
    -------
    files : dict
        File name to text: the reader in C, ``crumple_parameters.hex``, ``.s19`` and ``.a2l``.
    image : bytes
        ``crumple_parameters.bin``.

    Raises
    ------
    ModelError
        The model's numbers leave the range that a reader accepts.
    """
    image = parameter_image(model, profile, model_sha256).data
    values = {
        "model_sha256": model_sha256,
        "profile": profile.name,
        "layout_version": LAYOUT_VERSION,
        "header_size": HEADER.size,
        "image_size": len(image),
        "weight_bytes": profile.weight_bits // 8,
        "block_max": model.block_samples * model.clamp_lsb,
        "output_weight_sum_max": OUTPUT_WEIGHT_SUM_MAX,
        "header_start": wrapped([f"0x{byte:02X}u" for byte in image[:24]], indent=4),
        "address": address,
        "n_blocks": model.n_blocks,
        "n_hidden": model.n_hidden,
        "characteristics": characteristics(model, profile, address),
        "layouts": (*LAYOUTS, WIDE_LAYOUT),
    }
    names = ("crumple_calibration.h", "crumple_calibration.c", "crumple_parameters.a2l")
    files = {name: render_template(f"{name}.in", values) for name in names}
    files["crumple_parameters.hex"] = intel_hex(image, address)
    files["crumple_parameters.s19"] = s_record(image, address)
    return files, image
