"""Mutants of C, all in one library: every change sits behind a comparison of one integer, 0 being the original.

The source is preprocessed with headers of its own (types only), parsed, and printed again with each operator, constant,
condition and statement wrapped so that the integer ``crumple_mutant`` picks the change::

    a < b    becomes    a <= b, a >= b
    c        becomes    c + 1, c - 1
    x = y;   becomes    nothing

Constant expressions (case labels, array sizes, static tables) stay: C does not let them depend on a variable.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycparser import c_ast, c_generator, c_parser

HEADERS = {
    "stdint.h": """
typedef signed char int8_t; typedef unsigned char uint8_t; typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t; typedef long int64_t; typedef unsigned long uint64_t;
#define INT32_MAX 2147483647
#define UINT16_MAX 65535
#define INT64_C(c) c##L
#define UINT64_C(c) c##UL
""",
    "stdbool.h": "typedef _Bool bool;\nenum crumple_truth { false = 0, true = 1 };\n",
    "stddef.h": "typedef unsigned long size_t;\n#define NULL ((void *)0)\n",
}
GUARD = "#ifndef G_{0}\n#define G_{0}\n{1}\n#endif\n"

RELATIONS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
}  # fmt: skip
ARITHMETIC = {
    "+": ("-",), "-": ("+",), "*": ("+",), "/": ("*",), "%": ("*",),
    "&": ("|",), "|": ("&",), "^": ("|",), "<<": (">>",), ">>": ("<<",),
}  # fmt: skip
COMPOUND = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "^=": "|="}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: its number, where it is, and what it does."""

    number: int
    file: str
    line: int
    change: str

    @property
    def name(self) -> str:
        """Told without the line, so that it survives edits elsewhere in the file."""
        return f"{self.file}: {self.change}"


class Printer(c_generator.CGenerator):  # type: ignore[misc]
    """Prints a translation unit with its mutants, numbered on from ``first``."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.mutants: list[Mutant] = []
        self._next = first
        self._plain = c_generator.CGenerator()
        self._function = ""
        self._constant = 0

    def _new(self, node: Any, change: str) -> int:
        number = self._next
        self._next += 1
        where = node.coord
        self.mutants.append(Mutant(number, Path(where.file).name, where.line, f"{self._function}: {change}"))
        return number

    def _text(self, node: Any) -> str:
        return " ".join(self._plain.visit(node).split())

    def _mutable(self) -> bool:
        return bool(self._function) and self._constant == 0

    def visit_FuncDef(self, node: Any) -> str:
        head = self._plain.visit(node.decl)  # a size in a parameter's type is a constant expression
        self._function = node.decl.name
        body = self.visit(node.body)
        self._function = ""
        return f"{head}\n{body}\n"

    def visit_Case(self, node: Any) -> str:
        text = f"case {self._plain.visit(node.expr)}:\n"
        for statement in node.stmts:
            text += self._generate_stmt(statement, add_indent=True)
        return text

    def visit_Decl(self, node: Any, no_type: bool = False) -> str:
        if "static" in node.storage:
            self._constant += 1
            text = super().visit_Decl(node, no_type)
            self._constant -= 1
            return str(text)
        return str(super().visit_Decl(node, no_type))

    def visit_ArrayDecl(self, node: Any) -> str:
        return str(self._plain.visit_ArrayDecl(node))

    def visit_UnaryOp(self, node: Any) -> str:
        if node.op == "sizeof":
            return str(self._plain.visit_UnaryOp(node))
        if not self._mutable() or node.op not in ("!", "~", "-"):
            return str(super().visit_UnaryOp(node))
        if node.op == "-" and isinstance(node.expr, c_ast.Constant):
            return f"({self._constant_text(node, self._text(node))})"
        inner = self.visit(node.expr)
        number = self._new(node, f"{self._text(node)} without {node.op}")
        kind = "__typeof__(0 ? x : +x)" if node.op != "!" else "_Bool"
        return f"({{ __typeof__({inner}) x = ({inner}); ({kind})(crumple_mutant == {number} ? x : {node.op}x); }})"

    def visit_Constant(self, node: Any) -> str:
        if not self._mutable() or node.type not in ("int", "unsigned int", "long int", "unsigned long int"):
            return str(super().visit_Constant(node))
        return f"({self._constant_text(node, node.value)})"

    def _constant_text(self, node: Any, value: str) -> str:
        up, down = (self._new(node, f"{value} {sign} 1") for sign in "+-")
        return f"crumple_mutant == {up} ? {value} + 1 : crumple_mutant == {down} ? {value} - 1 : {value}"

    def visit_ID(self, node: Any) -> str:
        if self._mutable() and node.name in ("true", "false"):
            number = self._new(node, f"not {node.name}")
            return f"((_Bool)({node.name} ^ (crumple_mutant == {number})))"
        return str(super().visit_ID(node))

    def visit_BinaryOp(self, node: Any) -> str:
        if not self._mutable() or _is_size(node):
            return str(self._plain.visit_BinaryOp(node))
        if _is_number(node):
            return f"({self._constant_text(node, f'({self._text(node)})')})"
        left, right, said = self.visit(node.left), self.visit(node.right), self._text(node)
        if node.op in ("&&", "||"):
            other = "||" if node.op == "&&" else "&&"
            swap, only_left, only_right = (
                self._new(node, f"{said} {change}") for change in (f"with {other}", "left alone", "right alone")
            )
            return (
                f"({{ _Bool x = ({left}); crumple_mutant == {swap} ? x {other} ({right})"
                f" : crumple_mutant == {only_left} ? x : crumple_mutant == {only_right} ? ({right})"
                f" : x {node.op} ({right}); }})"
            )
        others = RELATIONS.get(node.op) or ARITHMETIC[node.op]
        text = f"x {node.op} y"
        for other in others:
            text = f"crumple_mutant == {self._new(node, f'{said} with {other}')} ? x {other} y : ({text})"
        return f"({{ __typeof__({left}) x = ({left}); __typeof__({right}) y = ({right}); {text}; }})"

    def visit_Assignment(self, node: Any) -> str:
        if not self._mutable():
            return str(super().visit_Assignment(node))
        target, value, said = self._plain.visit(node.lvalue), self.visit(node.rvalue), self._text(node)
        gone = self._new(node, f"without {said}")
        text = f"{target} {node.op} ({value})"
        if node.op in COMPOUND:
            other = COMPOUND[node.op]
            number = self._new(node, f"{said} with {other}")
            text = f"(crumple_mutant == {number} ? ({target} {other} ({value})) : ({text}))"
        return f"(void)(crumple_mutant == {gone} ? 0 : (({text}), 0))"

    def visit_FuncCall(self, node: Any) -> str:
        return str(super().visit_FuncCall(node))

    def _generate_stmt(self, n: Any, add_indent: bool = False) -> str:
        if isinstance(n, c_ast.FuncCall) and self._mutable():
            number = self._new(n, f"without {self._text(n)}")
            return f"if (crumple_mutant != {number}) {{ {self.visit(n)}; }}\n"
        return str(super()._generate_stmt(n, add_indent))

    def visit_If(self, node: Any) -> str:
        return self._negated(node, super().visit_If)

    def _negated(self, node: Any, visit: Any) -> str:
        if not self._mutable() or isinstance(node.cond, c_ast.BinaryOp):
            return str(visit(node))  # the condition's own operators are changed already
        number = self._new(node, f"if (!({self._text(node.cond)}))")
        condition = self.visit(node.cond)
        text = f"if (({condition}) != (crumple_mutant == {number}))\n"
        text += self._generate_stmt(node.iftrue, add_indent=True)
        if node.iffalse:
            text += "else\n" + self._generate_stmt(node.iffalse, add_indent=True)
        return text

    def visit_TernaryOp(self, node: Any) -> str:
        return f"(({self.visit(node.cond)}) ? ({self.visit(node.iftrue)}) : ({self.visit(node.iffalse)}))"


def _is_number(node: Any) -> bool:
    """Whether an operation is a number of the header, such as samples in so many ms: constants with casts."""
    return _is_constant(node) and _casts(node) > 1


def _casts(node: Any) -> int:
    if isinstance(node, c_ast.BinaryOp):
        return _casts(node.left) + _casts(node.right)
    return 1 + _casts(node.expr) if isinstance(node, c_ast.Cast) else 0


def _is_constant(node: Any) -> bool:
    if isinstance(node, c_ast.BinaryOp):
        return node.op in ARITHMETIC and _is_constant(node.left) and _is_constant(node.right)
    return _is_constant(node.expr) if isinstance(node, c_ast.Cast) else isinstance(node, c_ast.Constant)


def _is_size(node: Any) -> bool:
    """Whether an expression is made of sizes and constants alone: the compiler's business, like an array's length."""
    if isinstance(node, c_ast.BinaryOp):
        sides = (node.left, node.right)
        return any(map(_is_size, sides)) and all(_is_size(one) or isinstance(one, c_ast.Constant) for one in sides)
    return isinstance(node, c_ast.UnaryOp) and node.op == "sizeof"


def preprocessed(source: Path, include: Sequence[Path], folder: Path) -> str:
    """``source`` after the preprocessor, with the headers above in ``folder`` instead of the system's."""
    headers = folder / "headers"
    headers.mkdir(exist_ok=True)
    for name, text in HEADERS.items():
        (headers / name).write_text(GUARD.format(name.replace(".", "_"), text), encoding="ascii")
    command = ["cc", "-E", "-nostdinc", f"-I{headers}", *(f"-I{each}" for each in include), str(source)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def build(sources: Sequence[Path], plain: Sequence[Path], include: Sequence[Path], folder: Path) -> list[Mutant]:
    """Compile ``folder / mutants.so`` from ``sources``, mutated, and ``plain`` ones; returns its mutants.

    The library has a global ``int crumple_mutant``, 0 at first.
    """
    mutants: list[Mutant] = []
    printed = []
    for source in sources:
        printer = Printer(len(mutants) + 1)
        tree = c_parser.CParser().parse(preprocessed(source, include, folder), str(source))
        text = "extern int crumple_mutant;\n" + printer.visit(tree)
        mutants += printer.mutants
        printed.append(folder / f"mutated_{source.name}")
        printed[-1].write_text(text, encoding="ascii")
    (folder / "number.c").write_text("int crumple_mutant = 0;\n", encoding="ascii")
    command = ["cc", "-std=gnu99", "-O2", "-w", "-fwrapv", "-fPIC", "-shared", *(f"-I{each}" for each in include)]
    command += [str(each) for each in (*printed, *plain, folder / "number.c")]
    subprocess.run([*command, "-o", str(folder / "mutants.so")], check=True)
    return mutants
