"""What a compiled program does when it runs: kernels, FLOPs, bytes, and what is moved between devices.

XLA's own count (`compiled.cost_analysis()`) takes the body of a loop once, however often it runs. Here every instruction counts
as often as it runs: the compiler writes into the program how often a loop does (`known_trip_count`), and loops of which it does
not know that count once. Both branches of a conditional count. What is read is the text of the program, of one device.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id"}
CALLS = {"while", "call", "conditional"}
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
SLICES = {"dynamic-slice", "slice", "gather"}
MOVES = (
    FREE
    | CALLS
    | SLICES
    | {"broadcast", "copy", "reshape", "transpose", "concatenate", "pad", "reverse", "iota", "fusion"}
)
MOVES |= {"dynamic-update-slice", "scatter", "custom-call", "convert", "select", "sort", *COLLECTIVES}
TRANSCENDENTAL = {"exponential", "log", "tanh", "sine", "cosine", "power", "logistic", "sqrt", "rsqrt", "erf", "atan2"}
TRANSCENDENTAL |= {"exponential-minus-one", "log-plus-one", "cbrt", "tan"}
BITS = {"pred": 8, "s4": 4, "u4": 4, "bf16": 16, "c64": 64, "c128": 128}


class Instruction(NamedTuple):
    """A line of a program.

    Attributes:
        name: by which others refer to it.
        shape: of what it gives, in the compiler's words.
        kind: `dot`, `fusion`, `while`, ...
        operands: names.
        rest: what follows them.
        is_root: whether its computation gives this.
    """

    name: str
    shape: str
    kind: str
    operands: tuple[str, ...]
    rest: str
    is_root: bool


Computations = dict[str, list[Instruction]]


class Collective(NamedTuple):
    """What is moved between devices at one place of a program.

    Attributes:
        kind: `all-reduce`, ...
        n_bytes: that each device gets of it.
        times: that it runs.
    """

    kind: str
    n_bytes: int
    times: int


def sizes(shape: str) -> Iterator[tuple[int, int]]:
    """Entries and bytes of each array of a shape.

    Args:
        shape: in the compiler's words, `f32[8,128]{1,0}` or a tuple of such.
    """
    for dtype, dims in re.findall(r"\b([a-z]+[0-9]*[a-z0-9]*)\[([0-9,]*)\]", shape):
        entries = math.prod(int(n) for n in dims.split(",") if n)
        bits = BITS.get(dtype) or int((re.search(r"[0-9]+", dtype) or ["32"])[0])
        yield entries, -(-entries * bits // 8)


def n_bytes(shape: str) -> int:
    """Bytes of a shape.

    Args:
        shape: as `sizes` takes it.
    """
    return sum(size for _, size in sizes(shape))


def n_entries(shape: str) -> int:
    """Entries of a shape.

    Args:
        shape: as `sizes` takes it.
    """
    return sum(size for size, _ in sizes(shape))


def parsed(text: str) -> tuple[Computations, str]:
    """The computations of a program by name, and the name of that which runs first.

    Args:
        text: as `compiled.as_text()` gives it.
    """
    computations: Computations = {}
    entry = name = ""
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{$", line):
            name = head[2]
            entry = name if head[1] else entry
            computations[name] = []
        elif name and (found := re.match(r"\s+(ROOT )?%?([\w.-]+) = (.*)", line)):
            computations[name].append(_instruction(found[2], found[3], bool(found[1])))
    return computations, entry


def _instruction(name: str, words: str, is_root: bool) -> Instruction:
    """A line, from what stands behind its name."""
    end = _closing(words, 0) + 1 if words.startswith("(") else words.index(" ")
    shape, words = words[:end], words[end:].lstrip()
    start = words.index("(")
    end = _closing(words, start)
    operands = tuple(re.findall(r"%([\w.-]+)", words[start:end]))
    return Instruction(name, shape, words[:start], operands, words[end + 1 :], is_root)


def _closing(words: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for i in range(start, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if depth == 0:
            return i
    return len(words)


def runs(computations: Computations, entry: str) -> dict[str, int]:
    """How often each computation runs; those inside of kernels are left out.

    Args:
        computations, entry: of `parsed`.
    """
    times: dict[str, int] = {}

    def visit(name: str, often: int) -> None:
        times[name] = times.get(name, 0) + often
        for one in computations.get(name, ()):
            if one.kind == "while":
                trips = re.search(r'known_trip_count":\{"n":"(\d+)"', one.rest)
                visit(_called(one, "body"), often * (int(trips[1]) if trips else 1))
            elif one.kind == "call":
                visit(_called(one, "to_apply"), often)
            elif one.kind == "conditional":
                for branch in re.findall(r"%([\w.-]+)", _branches(one.rest)):
                    visit(branch, often)

    visit(entry, 1)
    return times


def _called(one: Instruction, word: str) -> str:
    found = re.search(rf"\b{word}=%?([\w.-]+)", one.rest)
    return found[1] if found else ""


def _branches(rest: str) -> str:
    return " ".join(re.findall(r"(?:branch_computations=\{[^}]*\}|(?:true|false)_computation=%?[\w.-]+)", rest))


def count(text: str) -> dict[str, int]:
    """What a program does in one run: `kernels`, `flops`, `transcendentals` and `bytes`.

    `instructions` are the kernels of what runs first, where a loop or a call is one.

    A multiplication and an addition are a FLOP each, and so is any other operation on an entry that is neither transcendental
    nor only moves or selects; bytes are those that kernels read and write, of what is sliced or updated in place the part alone.

    Args:
        text: as `compiled.as_text()` gives it.
    """
    computations, entry = parsed(text)
    first = sum(one.kind not in FREE for one in computations.get(entry, ()))
    total = {"instructions": first, "kernels": 0, "flops": 0, "transcendentals": 0, "bytes": 0}
    for name, often in runs(computations, entry).items():
        body = computations.get(name, [])
        shapes = {one.name: one.shape for one in body}
        for one in body:
            if one.kind in FREE | CALLS:
                continue
            inside = computations.get(_called(one, "calls"), []) if one.kind == "fusion" else []
            flops, transcendentals = _arithmetic(one, shapes) if not inside else _inside(inside, computations)
            total["kernels"] += often
            total["flops"] += often * flops
            total["transcendentals"] += often * transcendentals
            total["bytes"] += often * (_moved(inside) if inside else _moved_alone(one, shapes))
    return total


def _inside(body: list[Instruction], computations: Computations) -> tuple[int, int]:
    """FLOPs and transcendentals of a kernel, and of what it has fused again."""
    shapes = {one.name: one.shape for one in body}
    flops = transcendentals = 0
    for one in body:
        deeper = computations.get(_called(one, "calls"), []) if one.kind == "fusion" else []
        more = _inside(deeper, computations) if deeper else _arithmetic(one, shapes)
        flops, transcendentals = flops + more[0], transcendentals + more[1]
    return flops, transcendentals


def _arithmetic(one: Instruction, shapes: dict[str, str]) -> tuple[int, int]:
    """FLOPs and transcendentals of an instruction."""
    entries = n_entries(one.shape)
    is_gemm = one.kind == "custom-call" and "gemm" in one.rest  # what a GPU makes of a dot: (product, scratch)
    if one.kind == "dot" or is_gemm:
        entries = next(sizes(one.shape))[0]
        dims = re.search(r'lhs_contracting_dim(?:s=\{|ensions":\[)([0-9,"]*)', one.rest)
        found = re.search(r"\[([0-9,]*)\]", shapes.get(one.operands[0], ""))
        lengths = [int(n) for n in found[1].split(",")] if found and found[1] else []
        inner = math.prod(lengths[int(i)] for i in re.findall("[0-9]+", dims[1])) if dims and lengths else 1
        return 2 * entries * inner, 0
    if one.kind in ("reduce", "reduce-window"):
        return n_entries(shapes.get(one.operands[0], one.shape)), 0
    if one.kind in TRANSCENDENTAL:
        return 0, entries
    return (0 if one.kind in MOVES else entries), 0


def _moved_alone(one: Instruction, shapes: dict[str, str]) -> int:
    """Bytes that an instruction that is a kernel by itself reads and writes."""
    if one.kind in SLICES:
        return 2 * n_bytes(one.shape)
    if one.kind == "dynamic-update-slice":
        return 2 * n_bytes(shapes.get(one.operands[1], ""))
    return n_bytes(one.shape) + sum(n_bytes(shapes.get(name, "")) for name in one.operands)


def _moved(body: list[Instruction]) -> int:
    """Bytes that a kernel reads and writes: of what it slices only the slice, of what it updates in place only the update."""
    shapes = {one.name: one.shape for one in body}
    by_name = {one.name: one for one in body}
    root = next((one for one in body if one.is_root), body[-1])
    given = [by_name[name] for name in root.operands if name in by_name] if root.kind == "tuple" else [root]
    total = 0
    for one in given:
        while one.kind in ("bitcast", "copy", "convert") and one.operands and one.operands[0] in by_name:
            one = by_name[one.operands[0]]
        total += n_bytes(shapes.get(one.operands[1], "") if one.kind == "dynamic-update-slice" else one.shape)
    for one in body:
        if one.kind != "parameter":
            continue
        read = 0
        for user in body:
            if one.name not in user.operands:
                continue
            first = user.operands[0] == one.name and one.name not in user.operands[1:]
            if user.kind == "dynamic-update-slice" and first:
                continue
            read += n_bytes(user.shape) if user.kind in SLICES and first else n_bytes(one.shape)
        total += min(read, n_bytes(one.shape))
    return total


def collectives(text: str) -> list[Collective]:
    """What a program moves between devices in one run, place by place.

    Args:
        text: as `compiled.as_text()` gives it.
    """
    computations, entry = parsed(text)
    found = []
    for name, often in runs(computations, entry).items():
        for one in computations.get(name, ()):
            kind = one.kind.removesuffix("-start")
            if kind in COLLECTIVES:
                found.append(Collective(kind, n_bytes(one.shape), often))
    return found
