"""The checker's own code is mutated: a mutant that behaves like the original on everything below is a missing test.

Each mutant changes one operator, comparison, constant, condition or call of ``checker.py``. It is killed if any verdict
or number differs: on honest certificates of every kind, on thousands of broken ones, on models and files that must be
refused. ``EQUIVALENT`` lists survivors with the reason why no input can tell them from the original. There are no
others.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
import random
import sys
import types
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from crumple.artefact import canonical_json, envelope, sha256_bytes
from crumple.model import deployed
from crumple.model.analysis import checker
from crumple.model.analysis.properties import SCHEMA as PROPERTY_SCHEMA
from crumple.model.deployed import DeployedModel
from crumple.model.stages import CERTIFICATE_SCHEMA

SOURCE = Path(checker.__file__)

_spec = importlib.util.spec_from_file_location("mutations", Path(__file__).with_name("test_checker_mutations.py"))
assert _spec is not None and _spec.loader is not None
mutations = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mutations)

SKIPPED = {"main", "Rejected"}
"""``main`` is run as a script elsewhere."""

EQUIVALENT: dict[tuple[str, str], str] = {
    ("strict=True", "value = False"): "the lists have equal lengths by then: it guards against a mistake in this file",
    ("elif v > 0 and weight", "ops.0 = GtE()"): "a node with v = 0 adds nothing either way",
    ("if v and scale", "op = Or()"): "as above: a skipped addition of zero",
    ("(g > 0) == largest", "ops.0 = GtE()"): "a gain of zero adds nothing at either end of the box",
    ("(-(2**20), 2**20))", "value = 21"): "a wider enclosure, still sound: vanishes in the rounding to 1/4096 count",
    ("high * Fraction(PI_60 + 1, 2**61)", "value = 2"): "a wider enclosure, still sound",
    ("sort_keys=True, separators", "value = False"): "the order of keys has no meaning; the digest must fit any order",
    ("10**6", "value = 11"): "a limit that only keeps files of a reasonable size",
    ("10**7", "value = 11"): "a limit that only keeps files of a reasonable size",
    ("10**7", "value = 8"): "a limit that only keeps files of a reasonable size",
    ("4096", "value = 4097"): "a limit that only keeps files of a reasonable size",
    ("<= 4096", "ops.1 = Lt()"): "a limit that only keeps files of a reasonable size",
    ("2**400", "value = 3"): "a limit that only keeps files of a reasonable size",
    ("2**400", "value = 401"): "a limit that only keeps files of a reasonable size",
    (
        "size = 64 + sum(4",
        "",
    ): "the order of CRC-32's polynomial is 2^32 - 1: however bits are counted, no image is so long",
    ("crc = {0, *accumulate", "value = 9"): "as above: a ninth more bits are looked at",
    ("crc = {0, *accumulate", "value = 2"): "as above: a bit less is looked at, of 64 to spare; or tests the next bit",
    ("crc = {0, *accumulate", "value = 32"): "where the powers of x begin: all are moved by one",
    (
        "crc = {0, *accumulate",
        "value = 3988292385",
    ): "another polynomial of long order; that it is CRC-32's has its own test",
    (
        "len(crc) > 8 * size",
        "ops.0 = GtE()",
    ): "one too many is found equal to another only beyond the order of the polynomial",
    ("len(crc) > 8 * size", "op = Add()"): "as above: the sizes compared agree, or differ by far",
    ("abs(middle) + reach <= clip", "ops.0 = Lt()"): "where both are equal nothing is clipped: both forms hold all",
}
"""Survivors, by a part of the line and the change: why no input that matters tells them apart."""

CELL = dict(delta_v_from_kmh="50", delta_v_to_kmh="54", duration_from_ms="9", duration_to_ms="11", noise_g="1/32")  # noqa: C408
STEEP = CELL | {"delta_v_from_kmh": "80", "delta_v_to_kmh": "81", "duration_to_ms": "9", "noise_g": "1"}
SOFT = CELL | {"delta_v_from_kmh": "5", "delta_v_to_kmh": "6"}  # nowhere clipped
VAST = SOFT | {"delta_v_from_kmh": "1" + 30 * "0", "delta_v_to_kmh": "1" + 30 * "0"}  # so that a last bit shows
BAND = {"lower": (3, -5, 7, 1800, -1900, 0, 2), "upper": (3, 6, 7, 1915, -1890, 0, 9)}
NUMBERS: tuple[tuple[str, dict[str, Any], str], ...] = (
    *(("fires_by", {"kind": "pulse", "shape": shape, **CELL}, "5") for shape in ("half_sine", "haversine", "triangle")),
    *(("fires_by", {"kind": "pulse", "shape": shape, **SOFT}, "5") for shape in ("half_sine", "haversine", "triangle")),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "0"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "1/00"}, ""),
    ("arms_by", {"kind": "pulse", "shape": "half_sine", **CELL, "gain": "1/9", "offset_g": "0.3"}, "6.25"),
    ("fires_by", {"kind": "pulse", "shape": "haversine", **STEEP, "gain": "0.08"}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "oval", **CELL}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "triangle", **CELL, "noise_g": "1/33"}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "triangle", **CELL, "duration_to_ms": "1001"}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "triangle", **CELL, "duration_to_ms": "1000"}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "triangle", **CELL, "delta_v_to_kmh": "49"}, "5"),
    ("fires_by", {"kind": "pulse", "shape": "triangle", **CELL, "delta_v_to_kmh": "50"}, "5"),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "7", "velocity_range_kmh": "0.1236"}, ""),  # 112 counts
    ("fires_by", {"kind": "corridor", "lower": (5,), "upper": (6,)}, "0.5"),
    ("fires_by", {"kind": "corridor", **BAND}, "2.5"),
    ("fires_by", {"kind": "corridor", **BAND}, "3"),
    ("fires_by", {"kind": "corridor", **BAND}, "3.5"),
    ("fires_by", {"kind": "corridor", **BAND, "phase_samples": "1", "gain": "0.1", "offset_g": "1"}, "2.5"),
    ("fires_by", {"kind": "corridor", **BAND, "phase_samples": "2"}, "2.5"),
    ("fires_by", {"kind": "corridor", **BAND, "phase_samples": "1"}, "0.4"),
    ("fires_by", {"kind": "corridor", **BAND}, "0.4"),
    ("fires_by", {"kind": "corridor", **BAND, "surprise": "1"}, "2.5"),
    ("never_requests_fire", {"kind": "corridor", **BAND, "noise_g": "0.5", "step_g": "0.3"}, ""),
    ("never_requests_fire", {"kind": "corridor", **BAND, "corrupted_samples": "2"}, ""),
    ("never_requests_fire", {"kind": "corridor", **BAND, "slew_g_per_ms": "7"}, ""),  # could be empty
    ("never_requests_fire", {"kind": "corridor", "lower": (1,), "upper": (0,)}, ""),
    ("never_requests_fire", {"kind": "corridor", "lower": (1920, -1920), "upper": (1920, -1920)}, ""),
    ("never_requests_fire", {"kind": "corridor", "lower": (1919, 0), "upper": (1920, 0), "noise_g": "1/32"}, ""),
    ("never_requests_fire", {"kind": "corridor", "lower": (1921,), "upper": (1921,)}, ""),
    ("never_requests_fire", {"kind": "corridor", "lower": (), "upper": ()}, ""),
    ("never_requests_fire", {"kind": "corridor", "lower": 7, "upper": 7}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "7", "below_g": "3", "velocity_range_kmh": "0.4"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "3", "below_g": "200", "velocity_range_kmh": "0.4"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "2", "slew_g_per_ms": "3", "step_g": "0.7"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "2", "below_g": "5", "corrupted_samples": "2"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "2", "step_g": "0.7", "corrupted_samples": "2"}, ""),
    ("never_requests_fire", {"kind": "corridor", **BAND, "step_g": "0.5", "corrupted_samples": "1"}, ""),
    ("never_arms", {"kind": "signals", "amplitude_g": "20", "velocity_range_kmh": "0.4", "step_g": "2"}, ""),
    ("never_arms", {"kind": "signals", "amplitude_g": "500"}, ""),
    ("never_arms", {"kind": "noise"}, ""),
    ("never_requests_fire", {"kind": "signals", "amplitude_g": "2", "slew_g_per_ms": "125"}, ""),
    ("never", {"kind": "signals", "amplitude_g": "5"}, ""),
    ("fires_by", {"kind": "signals", "amplitude_g": "5"}, "3"),
    ("monotone", {"kind": "signals", "amplitude_g": "5", "below_g": "1"}, ""),
    ("monotone", {"kind": "signals", "amplitude_g": "5", "step_g": "1"}, ""),
)  # fmt: skip

CURVES = ("half_sine", "haversine", "triangle")
FOLDERS = ("good", "tampered", "schema", "orphan", "other_model", "other_property", "spaced", "unsorted")

SWAPS: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE,), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE,), ast.GtE: (ast.Gt,), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Add,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.USub: (ast.UAdd,), ast.Not: (),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


def sites(tree: ast.Module) -> Iterator[tuple[ast.AST, str, Any]]:
    """Every place to change: the node, the attribute (with an index after a dot), and its new value."""
    for top in tree.body:
        if getattr(top, "name", None) in SKIPPED or isinstance(top, ast.If | ast.Import | ast.ImportFrom):
            continue
        texts = {id(part) for node in ast.walk(top) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(top):
            if isinstance(node, ast.Compare):
                for i, op in enumerate(node.ops):
                    for other in SWAPS.get(type(op), ()):
                        yield node, f"ops.{i}", other()
            elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp | ast.UnaryOp):
                for other in SWAPS.get(type(node.op), ()):
                    yield node, "op", other()
            elif isinstance(node, ast.Constant) and type(node.value) is int and id(node) not in texts:
                yield node, "value", node.value + 1
            elif isinstance(node, ast.Constant) and type(node.value) is bool:
                yield node, "value", not node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in NAMES:
                    yield node.func, "id", NAMES[node.func.id]
                if node.func.id == "need":
                    yield node, "args.0", ast.Constant(True)


def bounded(*ends: int) -> range:
    """A range, of no more than ten times what the original ever counts to here: a mutant that counts on is dead."""
    if len(range(*ends)) > 40_960:
        raise OverflowError("endless")
    return range(*ends)


def load(tree: ast.Module) -> types.ModuleType:
    """A module of its own from a changed tree."""
    module = types.ModuleType("mutant")
    module.__dict__["range"] = bounded
    sys.modules["mutant"] = module
    exec(compile(tree, "mutant", "exec"), module.__dict__)  # noqa: S102 -- our own checker, changed in one place
    return module


class Trials:
    """Questions put to original and mutants, and the original's answers."""

    def __init__(self, small_model: DeployedModel, folder: Path, number: int) -> None:
        rng = random.Random(5)
        self.folder = folder
        self.pairs: list[tuple[Any, Any, Any]] = []
        for name in mutations.SETS:
            changed_model = self._model(name, small_model)
            _, described, certificate = mutations.proved(name, small_model)
            self.pairs.append((changed_model, described, certificate))
            for _ in range(number):
                other, asked = mutations.mutated(certificate, described, rng)
                self.pairs.append((changed_model, asked, other))
            self.pairs += [(changed_model, *self._near(certificate, described, rng)) for _ in range(number)]
        plain = small_model.payload()
        nothing = {"verdict": "proved", "length": 0, "trees": [], "witness": None}
        common = dict.fromkeys(("id", "property", "text", "rationale", "origin"), "x") | {"by_ms": ""}
        for samples in ("9", "10", "11", "12"):
            self.pairs.append(
                (plain, common | {"claim": "resets", "set": {"kind": "quiet", "samples": samples}}, nothing)
            )
        longer = plain | {"arming": plain["arming"] | {"hold_samples": 9}}  # arming forgets last: 4 + 9 samples
        quiet = common | {"claim": "resets", "set": {"kind": "quiet", "samples": "12"}}
        for bias in (200, 201):  # at rest y is 0, and 1
            self.pairs.append((plain | {"output_bias": bias}, quiet, nothing))
        for samples in ("12", "13"):
            asked = common | {"claim": "resets", "set": {"kind": "quiet", "samples": samples}}
            self.pairs.append((longer, asked, nothing))
        self.pairs.append((plain | {"output_bias": 100}, self.pairs[-1][1], nothing))
        self.pairs.append((plain, common | {"claim": "accumulators_fit", "set": {"kind": "all_inputs"}}, nothing))
        self.pairs.append((plain, common | {"claim": "accumulators_fit", "set": {"kind": "quiet"}}, nothing))
        for _ in range(4 * number):
            self.pairs.append(
                (mutations.mutated(plain, common | {"set": {"a": 1}}, rng)[0], self.pairs[-1][1], nothing)
            )
        both = plain | {"second_stage": {key: plain[key] for key in ("output_weight", "output_bias")}}
        louder = both | {"second_stage": both["second_stage"] | {"output_bias": 201}}
        image: dict[str, Any] = {"kind": "parameter_image", "changed_bits": "2"}
        for model in (plain, both, louder):
            self.pairs.append((model, common | {"claim": "image_protected", "set": image}, nothing))
            self.pairs.append(
                (model, common | {"claim": "image_protected", "set": image | {"changed_bits": "3"}}, nothing)
            )
            self.pairs.append((model, quiet, nothing))
        quiet_set = {"kind": "signals", "amplitude_g": "1/16"}
        of_stage = common | {"claim": "never_requests_fire", "set": quiet_set}
        for stage in ("1", "2", "3", 2):
            for model in (plain, both):
                self.pairs.append((model, {**of_stage, "stage": stage}, nothing))
        self.pairs.append((plain | {"second_stage": None}, quiet, nothing))
        fit = common | {"claim": "accumulators_fit", "set": {"kind": "all_inputs"}}
        # |z| reaches 138,240 + |b|, 57,600 + |b|, 138,240 + |b|; |y| reaches 1,089,280 + |c|.
        room, rest = 2**31 - 1 - 138_240, 2**63 - 1 - 1_089_280
        for key, edge in (
            ("output_bias", -rest), ("output_bias", -rest - 1), ("output_bias", 2**63), ("hidden_bias", [room, 0, 0]),
            ("hidden_bias", [room + 1, 0, 0]), ("hidden_weight", [[32767] * 4] * 3),
            ("hidden_weight", [[32768] * 4] * 3),
            ("output_weight", [32767, 1, 1]), ("output_weight", [32768, 1, 1]), ("hidden_weight", []),
            ("hidden_weight", [3]), ("confirm_votes", 0), ("clamp_lsb", 10**6), ("clamp_lsb", 10**7),
            ("hidden_weight", [[0] * 4] * 3), ("arming", plain["arming"] | {"hold_samples": 0}),
        ):  # fmt: skip
            self.pairs.append((plain | {key: edge}, fit, nothing))
        self._trees(plain, common)
        self.keys = [json.dumps(payload) for payload, _, _ in self.pairs]
        self._write(small_model)
        self.order = list(range(len(NUMBERS) + len(CURVES) + len(self.pairs) + len(FOLDERS)))
        models: dict[str, Any] = {}
        self.wanted = [self.answer(checker, trial, models) for trial in self.order]
        self.run_lines = [self.lines(trial) for trial in self.order]

    def _trees(self, plain: Any, common: Any) -> None:
        """Trees written by hand: of a form that must be refused though its leaves hold, and just short of no proof."""
        sure = plain | {"output_bias": -(10**9)}  # never votes: every leaf holds
        box = {"kind": "signals", "amplitude_g": "5", "below_g": "2"}
        corridor = {"kind": "corridor", "lower": (10,) * 12, "upper": (20,) * 12}
        asked = {"never": common | {"claim": "never_requests_fire", "set": box}}
        asked["late"] = asked["never"] | {"by_ms": "5"}
        asked["fires"] = common | {"claim": "fires_by", "set": corridor, "by_ms": "5"}

        def proof(tree: Any, length: int = 10) -> Any:
            return {"verdict": "proved", "length": length, "trees": [tree], "witness": None}

        def leaf(goals: int = 1, prices: Any = ()) -> Any:
            return {"goals": [[1, 0, 0, 0]] + [[0] * 4] * (goals - 1), "prices": [list(pair) for pair in prices]}

        def split(goal: int, node: int, part: Any) -> Any:
            return {"goal": goal, "node": node, "in": part, "out": part}

        def window(end: int, part: Any) -> Any:
            return {"window": end, "votes": part, "silent": part}

        def whole(form: int, low: Any, high: Any) -> Any:
            return {"whole": form, "at": 3, "low": low, "high": high}

        trees = [
            leaf(), split(0, 0, leaf()), split(0, 2, leaf()), split(0, 3, leaf()), split(1, 0, leaf()),
            split(0, 0, split(0, 0, leaf())), split(0, 0, split(0, 1, leaf())), window(8, leaf(2)), window(7, leaf(2)),
            window(8, window(8, leaf(3))), window(9, leaf(2)), window(10, leaf(2)), whole(9, leaf(), leaf()),
            whole(19, leaf(), leaf()), whole(20, leaf(), leaf()), whole(-1, leaf(), leaf()),
        ]  # fmt: skip
        self.pairs += [(sure, asked["never"], proof(tree)) for tree in trees]
        without = sure | {"output_weight": [3, 0, -4]}
        self.pairs += [(without, asked["never"], proof(split(0, node, leaf()))) for node in (0, 1)]
        self.pairs += [(sure, asked["late"], proof(leaf())), (sure, asked["never"], proof(leaf(), 7))]
        self.pairs += [(sure, asked["never"], proof(window(end, leaf(2)), 8)) for end in (5, 6, 7)]
        always = plain | {"output_bias": 10**9}  # a window that does not vote is refuted at once

        def silent(goals: int, at: int) -> Any:
            return {"goals": [[int(g == at), 0, 0, 0] for g in range(goals)], "prices": []}

        fires = {"window": 1, "votes": None, "silent": silent(2, 1)}
        fires = {"window": 0, "votes": fires, "silent": silent(1, 0)}
        for end in (10, 11, 12):  # the last window in time, one too late, one that is not there
            beyond = {"window": end, "votes": silent(3, 1), "silent": silent(3, 1)}
            tree = {"window": 0, "votes": fires["votes"] | {"silent": beyond}, "silent": silent(1, 0)}
            self.pairs.append((always, asked["fires"], proof(tree, 12)))
        for tree in (
            leaf(), split(0, 0, leaf()), whole(9, leaf(), leaf(1, [(0, 1000)])), whole(9, leaf(1, [(0, 1000)]), leaf()),
            {"goals": [[7, 3, 5, 2]], "prices": []},
        ):  # fmt: skip
            bias, step = -(10**9), 2**29
            while step:
                if self._holds(plain | {"output_bias": bias + step}, asked["never"], proof(tree)):
                    bias += step
                step //= 2
            for output_bias in (bias, bias + 1):
                self.pairs.append((plain | {"output_bias": output_bias}, asked["never"], proof(tree)))

    @staticmethod
    def _holds(payload: Any, described: Any, certificate: Any) -> bool:
        try:
            checker.check(checker.Model(payload), described, certificate)
        except checker.Rejected:
            return False
        return True

    @staticmethod
    def _model(name: str, small_model: DeployedModel) -> Any:
        found: list[Any] = []

        class Spy(checker.Model):
            def __init__(self, payload: Any) -> None:
                found.append(payload)
                super().__init__(payload)

        original = mutations.checker.Model
        mutations.checker.Model = Spy
        try:
            mutations.proved(name, small_model)
        finally:
            mutations.checker.Model = original
        return found[-1]

    @staticmethod
    def _near(certificate: Any, described: Any, rng: random.Random) -> tuple[Any, Any]:
        """The property a little larger, so that proofs fail by little, or a number of a leaf moved."""
        asked, other = copy.deepcopy(described), copy.deepcopy(certificate)
        keys = [k for k, v in asked["set"].items() if isinstance(v, str) and v[0].isdigit()]
        if keys and rng.random() < 0.7:
            key = rng.choice(keys)
            asked["set"][key] = str(Fraction(asked["set"][key]) * Fraction(rng.randrange(85, 125), 100))
        elif asked["by_ms"]:
            asked["by_ms"] = str(Fraction(asked["by_ms"]) * Fraction(rng.randrange(50, 150), 100))
        else:
            lists = [p for p in mutations.places(other) if p and type(p[-1]) is int and len(p) > 3]
            if lists:
                path = rng.choice(lists)
                holder = other
                for step in path[:-1]:
                    holder = holder[step]
                if type(holder[path[-1]]) is int:
                    holder[path[-1]] = max(0, holder[path[-1]] + rng.choice((-1, 1)))
        return asked, other

    def _write(self, small_model: DeployedModel) -> None:
        _, described, certificate = mutations.proved("amplitude", small_model)
        for name in FOLDERS:
            folder = self.folder / name
            folder.mkdir()
            model, asked = envelope(deployed.SCHEMA, small_model.payload()), envelope(PROPERTY_SCHEMA, described)
            parents = {"model": sha256_bytes(model), "property": sha256_bytes(asked)}
            if name.startswith("other"):
                parents[name.removeprefix("other_")] = "0" * 64
            schema = "crumple.certificate/2" if name == "schema" else CERTIFICATE_SCHEMA
            proof = envelope(schema, certificate, parents=parents)
            if name == "tampered":
                document = json.loads(proof)
                proof = canonical_json(document | {"made_by": "somebody"})
            if name == "unsorted":
                document = json.loads(proof)
                proof = json.dumps(dict(reversed(document.items())), separators=(",", ":")).encode() + b"\n"
            if name == "spaced":
                proof = proof[:-1] + b" \n"
            (folder / "model.json").write_bytes(model)
            (folder / "P.property.json").write_bytes(asked)
            if name != "orphan":
                (folder / "P.certificate.json").write_bytes(proof)

    def answer(self, module: Any, trial: int, models: dict[str, Any]) -> Any:
        """What a module says to one trial; anything but acceptance or refusal is told by its type."""
        if trial < len(NUMBERS):
            claim, described, by_ms = NUMBERS[trial]
            plain = self.pairs[0][0]
            asked = {"claim": claim, "set": described, "by_ms": by_ms}
            others = (plain, plain | {"sample_rate_hz": 1999, "confirm_window": 4})
            return [self._numbers(module, payload, asked) for payload in others]
        trial -= len(NUMBERS)
        if trial < len(CURVES):
            return self._curve(module, self.pairs[0][0], {"shape": CURVES[trial], **VAST})
        trial -= len(CURVES)
        try:
            if trial < len(self.pairs):
                payload, described, certificate = self.pairs[trial]
                key = self.keys[trial]
                if key not in models:
                    models[key] = module.Model(payload)
                module.check(models[key], described, certificate)
                return "proved"
            folder = self.folder / FOLDERS[trial - len(self.pairs)]
            return module.check_folder(folder)
        except module.Rejected:
            return "rejected"
        except Exception as error:  # noqa: BLE001 -- whatever a mutant raises is an answer
            return type(error).__name__

    def lines(self, trial: int) -> frozenset[int]:
        """The checker's lines that a trial runs."""
        found: set[int] = set()

        def tracer(frame: types.FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename != str(SOURCE):
                return None
            found.add(frame.f_lineno)
            return tracer

        before = sys.gettrace()
        sys.settrace(tracer)
        try:
            self.answer(checker, trial, {})
        finally:
            sys.settrace(before)
        return frozenset(found)

    def kills(self, mutant: types.ModuleType, lines: range | None) -> bool:
        """Whether any trial that runs one of the lines (None: any trial at all) tells the mutant from the original.

        Trials that killed most so far come first, so that only survivors are put through all of them.
        """
        models: dict[str, Any] = {}
        for place, trial in enumerate(self.order):
            if lines is not None and self.run_lines[trial].isdisjoint(lines):
                continue
            if self.answer(mutant, trial, models) != self.wanted[trial]:
                self.order.insert(0, self.order.pop(place))
                return True
        return False

    @staticmethod
    def _curve(module: Any, payload: Any, parts: dict[str, Any]) -> Any:
        """The enclosure of a pulse before the sensor clips it."""
        try:
            return repr(module.pulse(module.Model(payload).main, dict(parts)))
        except Exception as error:  # noqa: BLE001
            return type(error).__name__

    @staticmethod
    def _numbers(module: Any, payload: Any, described: Any) -> Any:
        try:
            model = module.Model(payload)
            told = [model.main.__dict__, model.arming.__dict__, model.hold]
            voter = model.arming if "arm" in described["claim"] else model.main
            length = 2 * voter.window if described["claim"] == "monotone" else voter.window + voter.m - 1
            poly = module.polytope(voter, described["claim"], described["set"], length)
            asked = list(module.questions(voter, described["claim"], poly, described["by_ms"]))
            last = len(poly.samples) - 1
            goals = [module.goal_of(voter, poly, end, end < last) for end in (min(2, last), min(7, last), last)]
            return repr((told, tuple(poly), goals, asked))
        except Exception as error:  # noqa: BLE001
            return type(error).__name__


def reach(tree: ast.Module, changed: ast.AST) -> range | None:
    """The lines of the smallest statement around a change, or None where it acts when the module is loaded."""
    found: range | None = None

    def visit(node: ast.AST, around: range | None, within: bool) -> None:
        nonlocal found
        if isinstance(node, ast.stmt) and within:
            around = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if node is changed:
            found = around
        for child in ast.iter_child_nodes(node):
            visit(child, around, within or (isinstance(node, ast.FunctionDef) and child in node.body))

    visit(tree, None, False)
    return found


def survivors(trials: Trials, every: int) -> tuple[int, list[str]]:
    """How many mutants were made, and those that no trial told from the original."""
    text = SOURCE.read_text(encoding="utf-8")
    number = sum(1 for _ in sites(ast.parse(text)))
    assert not trials.kills(load(ast.parse(text)), None), "the unchanged checker, loaded like a mutant, is no mutant"
    found = []
    for index in range(0, number, every):
        tree = ast.parse(text)
        node, attribute, value = next(islice(sites(tree), index, None))
        lines = reach(tree, node)
        name, _, place = attribute.partition(".")
        if place:
            getattr(node, name)[int(place)] = value
        else:
            setattr(node, name, value)
        ast.fix_missing_locations(tree)
        line = getattr(node, "lineno", 0)
        try:
            killed = trials.kills(load(tree), lines)
        except Exception:  # noqa: BLE001 -- a mutant that cannot even be loaded is dead
            killed = True
        if not killed:
            told = ast.dump(value) if isinstance(value, ast.AST) else str(value)
            found.append(f"{text.splitlines()[line - 1].strip()} -- {attribute} = {told}")
    return len(range(0, number, every)), found


def unexplained(found: list[str]) -> list[str]:
    """Survivors that ``EQUIVALENT`` does not explain."""
    return [told for told in found if not any(part in told and told.endswith(how) for part, how in EQUIVALENT)]


def test_a_sample_of_the_mutants_is_killed(small_model: DeployedModel, tmp_path: Path) -> None:
    made, found = survivors(Trials(small_model, tmp_path, 4), 97)
    assert made >= 6
    assert len(unexplained(found)) <= made // 2  # few trials here, many in the slow test


@pytest.mark.slow
def test_every_mutant_of_the_checker_is_killed_or_explained(small_model: DeployedModel, tmp_path: Path) -> None:
    made, found = survivors(Trials(small_model, tmp_path, 60), 1)
    assert made >= 700
    assert unexplained(found) == []
