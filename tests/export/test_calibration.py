"""The parameter image: HEX, S-record and A2L against other people's readers, and the C reader against every damage."""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crumple.errors import ArtefactError, ModelError
from crumple.export.c99 import render_c
from crumple.export.calibration import intel_hex, parameter_crc32, parameter_image, s_record
from crumple.export.calibration_files import characteristics, render_calibration
from crumple.export.image import HEADER, check_image
from crumple.export.profiles import EXACT16, PROFILES, SMALL8, Profile
from crumple.model.deployed import DeployedModel
from crumple.toolchain import find_compiler

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


@every_profile
def test_every_calibration_file_equals_its_golden_file(
    profile: Profile, small_model: DeployedModel, golden: Callable[[str, bytes], None]
) -> None:
    files, image = render_calibration(small_model, "0" * 64, profile)
    for name, text in files.items():
        golden(f"{profile.name}/{name}", text.encode("ascii"))
    golden(f"{profile.name}/crumple_parameters.bin", image)


@every_profile
def test_the_image_holds_the_numbers_of_the_model(profile: Profile, small_model: DeployedModel) -> None:
    image = parameter_image(small_model, profile, "ab" * 32)
    check_image(image.data)
    assert zlib.crc32(image.data[:-4]) == struct.unpack("<I", image.data[-4:])[0]
    weight = "12b" if profile is SMALL8 else "12h"
    numbers = struct.unpack(f"<q3i{weight}3h", image.body)
    rows = [w for row in small_model.hidden_weight for w in row]
    assert list(numbers) == [
        small_model.output_bias,
        *small_model.hidden_bias,
        *rows,
        *small_model.output_weight,
    ]
    assert zlib.crc32(image.body) == parameter_crc32(small_model, profile)
    assert image.data[24:56] == b"\xab" * 32


@given(data=st.binary(min_size=1, max_size=300), address=st.integers(0, 2**32 - 400))
def test_hex_and_s_records_read_back_with_bincopy(data: bytes, address: int) -> None:
    bincopy = pytest.importorskip("bincopy", reason="bincopy, an independent reader, is not installed")
    for text in (intel_hex(data, address), s_record(data, address)):
        read = bincopy.BinFile()
        read.add(text)
        assert (read.minimum_address, bytes(read.as_binary())) == (address, data)


@every_profile
def test_the_a2l_description_is_accepted_by_pya2l_and_points_at_the_numbers(
    profile: Profile, small_model: DeployedModel
) -> None:
    parser = pytest.importorskip("pya2l.parser", reason="pya2l, an independent reader, is not installed")
    address = 0x0800_1000
    files, image = render_calibration(small_model, "0" * 64, profile, address)
    with parser.A2lParser() as read:
        tree = read.tree_from_a2l(files["crumple_parameters.a2l"].encode("ascii"), enforce_version_check=True)
    module = tree.PROJECT.MODULE[0]
    kinds = {layout.Name.Value: layout.FNC_VALUES.DataType.Value for layout in module.RECORD_LAYOUT}
    codes = {"UBYTE": "B", "SBYTE": "b", "UWORD": "H", "SWORD": "h", "ULONG": "I", "SLONG": "i", "A_INT64": "q"}
    found = {}
    for item in module.CHARACTERISTIC:
        count = 1
        if item.HasField("MATRIX_DIM"):
            count = item.MATRIX_DIM.XDim.Value * item.MATRIX_DIM.YDim.Value
        code = codes[kinds[item.Deposit.Value]]
        found[item.Name.Value] = struct.unpack_from(f"<{count}{code}", image, item.Address.Value - address)
    assert found["output_bias"] == (small_model.output_bias,)
    assert found["hidden_bias"] == small_model.hidden_bias
    assert found["hidden_weight"] == tuple(w for row in small_model.hidden_weight for w in row)
    assert found["output_weight"] == small_model.output_weight
    assert found["clamp_lsb"] == (small_model.clamp_lsb,)
    assert found["crc32"] == (zlib.crc32(image[:-4]),)


def test_characteristics_lie_one_behind_the_other_and_fill_the_image(small_model: DeployedModel) -> None:
    sizes = {"u8": 1, "u16": 2, "u32": 4, "i8": 1, "i16": 2, "i32": 4, "i64": 8}
    items = [item for item in characteristics(small_model, EXACT16, 0) if item.address >= HEADER.size]
    at = HEADER.size
    for item in items:
        assert item.address == at
        at += sizes[item.layout] * item.count
    assert at == len(parameter_image(small_model, EXACT16, "0" * 64).data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:40], "its header alone has 56"),
        (lambda data: b"NOPE" + data[4:], "expected b'CRUM'"),
        (lambda data: data[:4] + b"\x02\x00" + data[6:], "layout version 2, expected 1"),
        (lambda data: data + b"\x00", "its header says"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "it was damaged"),
    ],
)
def test_a_damaged_image_is_refused_with_its_reason(
    small_model: DeployedModel, damage: Callable[[bytes], bytes], message: str
) -> None:
    with pytest.raises(ArtefactError, match=message):
        check_image(damage(parameter_image(small_model, EXACT16, "0" * 64).data))


def test_an_output_bias_that_no_reader_accepts_is_refused(small_model: DeployedModel) -> None:
    with pytest.raises(ModelError, match="magnitudes up to"):
        parameter_image(replace(small_model, output_bias=2**62 + 1), EXACT16, "0" * 64)


READ_A_FILE = """
#include "crumple_calibration.h"
#include <stdio.h>
int main(int argc, char **argv)
{
    static uint8_t image[65536];
    static crumple_parameters read;
    for (int k = 1; k < argc; ++k) {
        FILE *file = fopen(argv[k], "rb");
        size_t size = fread(image, 1u, sizeof image, file);
        fclose(file);
        const crumple_image_verdict verdict = crumple_calibration_read(image, size, &read);
        printf("%d %lld\\n", (int)verdict, (long long)read.output_bias);
    }
    return 0;
}
"""
ACCEPTED, SIZE, FOREIGN, VERSION, SHAPE, DAMAGED, OUT_OF_RANGE = range(7)


def sealed(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


@every_profile
def test_the_c_reader_gives_each_refusal_its_own_reason(
    profile: Profile, small_model: DeployedModel, tmp_path: Path
) -> None:
    files, image = render_calibration(small_model, "0" * 64, profile)
    for name, text in {**render_c(small_model, "0" * 64, profile), **files, "main.c": READ_A_FILE}.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    other_bias = parameter_image(replace(small_model, output_bias=77), profile, "0" * 64).data
    # One count more than the largest hidden bias that leaves room for the node's weights.
    room = 2**31 - 1 - sum(abs(w) for w in small_model.hidden_weight[0]) * 2 * small_model.clamp_lsb
    largest = parameter_image(replace(small_model, hidden_bias=(room, 0, 0)), profile, "0" * 64).data
    over = sealed(largest[:64] + struct.pack("<i", room + 1) + largest[68:-4])
    lowest = sealed(largest[:64] + struct.pack("<i", -room) + largest[68:-4])
    under = sealed(largest[:64] + struct.pack("<i", -room - 1) + largest[68:-4])
    far_bias = sealed(image[:56] + struct.pack("<q", -(2**62) - 1) + image[64:-4])
    cases = [
        (image, ACCEPTED, small_model.output_bias),
        (image[:-1], SIZE, small_model.output_bias),
        (b"", SIZE, small_model.output_bias),
        (sealed(b"CRUD" + image[4:-4]), FOREIGN, small_model.output_bias),
        (sealed(image[:4] + b"\x02" + image[5:-4]), VERSION, small_model.output_bias),
        (sealed(image[:14] + b"\x04" + image[15:-4]), SHAPE, small_model.output_bias),
        (sealed(image[:18] + b"\x00" + image[19:-4]), SHAPE, small_model.output_bias),
        (image[:70] + bytes([image[70] ^ 0x80]) + image[71:], DAMAGED, small_model.output_bias),
        (over, OUT_OF_RANGE, small_model.output_bias),
        (under, OUT_OF_RANGE, small_model.output_bias),
        (far_bias, OUT_OF_RANGE, small_model.output_bias),
        (other_bias, ACCEPTED, 77),
        (largest, ACCEPTED, small_model.output_bias),
        (lowest, ACCEPTED, small_model.output_bias),
    ]
    paths = []
    for k, (data, _, _) in enumerate(cases):
        paths.append(tmp_path / f"{k:02d}.bin")
        paths[-1].write_bytes(data)
    program = tmp_path / "read"
    sources = [str(tmp_path / name) for name in ("crumple_model.c", "crumple_calibration.c", "main.c")]
    sanitize = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    subprocess.run([*find_compiler().command, *sanitize, *sources, "-o", str(program)], check=True)
    done = subprocess.run([str(program), *map(str, paths)], capture_output=True, text=True, check=True)
    found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert found == [(verdict, bias) for _, verdict, bias in cases]
