"""What an observation is made of: named blocks of entries, declared once.

From the declaration follow the space's size, what is written (`Layout.write`), what a rule reads back in SI units
(`Layout.read`), and the documentation (`jaxvec envs ENV`). `Observation.world`, which belongs to no agent, is one row: see
`Layout.write_world` and `Layout.read_world`.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Number = float | str | Callable[[Any], Any]
"""A number, the name of a number of the environment's parameters, or a function of these."""


def _value(number: Number | tuple[float, ...], params: Any, rank: int = 0) -> Any:
    if isinstance(number, str):
        return getattr(params, number)
    if isinstance(number, tuple):
        return np.array(number).reshape(-1, *(1,) * rank)
    return number(params) if callable(number) else number


def _log10(x: Array) -> Array:
    return jnp.log10(jnp.maximum(x, 1e-12))


def _exp10(y: Array) -> Array:
    return 10.0**y


CURVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "linear": (lambda x: x, lambda y: y),
    "less_one": (lambda x: x - 1, lambda y: y + 1),
    "log1p": (jnp.log1p, jnp.expm1),
    "log10": (_log10, _exp10),
}
"""How a quantity, less its offset and over its scale, becomes an entry; and back."""


class Encoded(NamedTuple):
    """Entries as they are to stand in an observation, for `Layout.write` in place of the quantity that they follow from.

    Attributes:
        entries: of the quantity's shape, scaled.
    """

    entries: Any


@dataclass(frozen=True)
class Block:
    """Entries of an observation that mean the same: `clip(curve((x - offset) / scale))` of a quantity x.

    Attributes:
        name: of the quantity.
        width: entries; None for a single one, of a quantity without an axis of its own; several numbers of a quantity with
            several axes, whose entries stand in the order of `reshape`.
        unit: of the quantity; "-" if it has none.
        doc: its meaning.
        scale, offset: in the quantity's unit; a scale may be one number for each of `width` entries.
        curve: one of `CURVES`.
        clip: lowest and highest entry, or None.
    """

    name: str
    width: int | tuple[int, ...] | None
    unit: str
    doc: str
    scale: Number | tuple[float, ...] = 1.0
    offset: Number = 0.0
    curve: str = "linear"
    clip: tuple[float, float] | None = None

    @property
    def axes(self) -> tuple[int, ...]:
        """Lengths of the quantity's own axes."""
        return () if self.width is None else (self.width,) if isinstance(self.width, int) else self.width

    @property
    def size(self) -> int:
        """Entries."""
        return math.prod(self.axes)

    def scale_of(self, params: Any) -> Any:
        """The scale as a number.

        Args:
            params: the environment's.
        Returns:
            The scale in the quantity's unit: a number, or one for each entry `(width,)`.
        """
        return _value(self.scale, params)

    def encode(self, x: Any, params: Any) -> Any:
        """From a quantity to its entries, elementwise.

        Args:
            x: in the quantity's unit, of any shape; `(n, width, *batch)` if entries have scales of their own.
            params: the environment's.
        Returns:
            Entries of the same shape [-].
        """
        x = x if isinstance(self.offset, float) and self.offset == 0 else x - _value(self.offset, params)
        x = x if isinstance(self.scale, float) and self.scale == 1 else x / _value(self.scale, params, jnp.ndim(x) - 2)
        y = CURVES[self.curve][0](x)
        return y if self.clip is None else jnp.clip(y, *self.clip)

    def decode(self, y: Any, params: Any) -> Any:
        """From entries back to the quantity, elementwise; what `clip` cut off stays cut off.

        Args:
            y: entries [-], of the shapes of `encode`.
            params: the environment's.
        Returns:
            The quantity in its unit.
        """
        x = CURVES[self.curve][1](y)
        x = x if isinstance(self.scale, float) and self.scale == 1 else x * _value(self.scale, params, jnp.ndim(x) - 2)
        return x if isinstance(self.offset, float) and self.offset == 0 else x + _value(self.offset, params)

    def spread(self, x: Any, params: Any, shape: tuple[int, ...]) -> Array:
        """Entries of the rows of a shape.

        Args:
            x: the quantity, or its entries, `Encoded`; what broadcasts to `(n, *batch)` of a single entry, else to `(n, *width,
                *batch)`.
            params: the environment's.
            shape: `(n, *batch)`.
        Returns:
            `(n, size, *batch)`; `(1, size, *batch)` if x lacks the axis of n alone, so that all rows have these entries alike.
        """
        y = jnp.asarray(x.entries if isinstance(x, Encoded) else self.encode(x, params))
        n, batch = shape[0], shape[1:]
        if y.ndim == len(self.axes) + len(batch):
            return jnp.broadcast_to(y, (*self.axes, *batch)).reshape(1, self.size, *batch)
        return jnp.broadcast_to(y, (n, *self.axes, *batch)).reshape(n, self.size, *batch)

    def describe(self) -> str:
        """How an entry follows from the quantity, in words."""

        def say(number: Number | tuple[float, ...]) -> str:
            if isinstance(number, str):
                return number
            if isinstance(number, tuple):
                return f"({', '.join(map(say, number))})"
            return (number.__doc__ or number.__name__).strip() if callable(number) else f"{number:g}"

        text = self.name
        if isinstance(self.offset, int | float) and self.offset < 0:
            text = f"{text} + {-self.offset:g}"
        elif self.offset != 0:
            text = f"{text} - {say(self.offset)}"
        if self.scale != 1:
            text = f"{f'({text})' if self.offset != 0 else text} / {say(self.scale)}"
        text = text if self.curve == "linear" else f"{self.curve}({text})"
        return text if self.clip is None else f"{text} in [{self.clip[0]:g}, {self.clip[1]:g}]"


NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Layout:
    """The blocks of a row of an observation, from its first entry to its last.

    Attributes:
        blocks: in the order in which they stand.
    Raises:
        ValueError: two blocks have one name.
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(block.name for block in self.blocks).items() if n > 1]
        if twice:
            raise ValueError(f"more than one block is called {', '.join(twice)}")

    def __add__(self, other: "Layout") -> "Layout":
        """Rows that have the entries of both, one after the other."""
        return Layout(self.blocks + other.blocks)

    @property
    def size(self) -> int:
        """Entries of a row."""
        return sum(block.size for block in self.blocks)

    def block(self, name: str) -> Block:
        """A block by name.

        Args:
            name: of its quantity.
        Returns:
            The block.
        Raises:
            KeyError: there is none.
        """
        return {block.name: block for block in self.blocks}[name]

    def columns(self, name: str) -> np.ndarray:
        """Where a block stands in a row.

        Args:
            name: of its quantity.
        Returns:
            int `(*width,)`, or `(1,)` of a single entry.
        Raises:
            KeyError: there is no such block.
        """
        start = 0
        for block in self.blocks:
            if block.name == name:
                return np.arange(start, start + block.size).reshape(block.axes or (1,))
            start += block.size
        raise KeyError(name)

    def entries(self, rows: Array, name: str) -> Array:
        """The entries of a block.

        Args:
            rows: `(n, size, *batch)`.
            name: of the block's quantity.
        Returns:
            `(n, *batch)` of a single entry, else `(n, *width, *batch)`.
        Raises:
            KeyError: there is no such block.
        """
        columns = self.columns(name)
        if self.block(name).width is None:
            return rows[:, columns[0]]
        return rows[:, columns.min() : columns.max() + 1].reshape(len(rows), *columns.shape, *rows.shape[2:])

    def read(self, rows: Array, name: str, params: Any) -> Array:
        """The quantity of a block, in its unit.

        Args:
            rows: `(n, size, *batch)`.
            name: of the quantity.
            params: the environment's.
        Returns:
            `(n, *batch)` of a single entry, else `(n, *width, *batch)`.
        Raises:
            KeyError: there is no such block.
        """
        return self.block(name).decode(self.entries(rows, name), params)

    def read_world(self, world: Array, name: str, params: Any) -> Array:
        """The quantity of a block of `Observation.world`, in its unit.

        Args:
            world: the only row, `(size, *batch)`.
            name: of the quantity.
            params: the environment's.
        Returns:
            `(*batch)` of a single entry, else `(*width, *batch)`.
        Raises:
            KeyError: there is no such block.
        """
        return self.read(world[None], name, params)[0]

    def encode(self, values: Mapping[str, Any], params: Any) -> dict[str, Encoded]:
        """The entries of quantities, to be written more than once.

        Args:
            values: by name of the block, see `Block.encode`.
            params: the environment's.
        Returns:
            By name of the block, what `write` takes in place of the quantity.
        Raises:
            ValueError: a value belongs to no block.
        """
        self._check(values)
        return {name: Encoded(self.block(name).encode(x, params)) for name, x in values.items()}

    def write(
        self,
        values: Mapping[str, Any],
        params: Any,
        shape: tuple[int, ...],
        written: Mapping["Layout", Array] = NOTHING,
    ) -> Array:
        """Rows of quantities.

        Args:
            values: of every block, see `Block.spread`.
            params: the environment's.
            shape: `(n, *batch)`.
            written: of layouts whose blocks follow one another here, what these wrote, `(n, their size, *batch)`, or `(1, ...)`
                if all rows have it alike: for what several layouts share.
        Returns:
            `(n, size, *batch)`.
        Raises:
            KeyError: a block has no value.
            ValueError: a value belongs to no block, or what was written is no part of a row.
        """
        parts = self._parts(values, params, shape, written)
        # neighbours that all rows have alike are joined before they are repeated: one kernel instead of one each
        joined = [jnp.concatenate(list(run), 1) for _, run in groupby(parts, len)]
        return jnp.concatenate([_repeat(part, shape[0]) for part in joined], 1)

    def overwrite(self, rows: Array, values: Mapping[str, Any], params: Any) -> Array:
        """The same rows with other quantities in some blocks.

        Args:
            rows: `(n, size, *batch)`, to be changed.
            values: of those blocks, see `Block.spread`.
            params: the environment's.
        Returns:
            `(n, size, *batch)`.
        Raises:
            ValueError: a value belongs to no block.
        """
        self._check(values)
        shape = (rows.shape[0], *rows.shape[2:])
        parts, start = [], 0  # of the entries that stay
        for block in self.blocks:
            if block.name in values:
                first = self.columns(block.name).min()
                y = _repeat(block.spread(values[block.name], params, shape), shape[0])
                parts += [rows[:, start:first], y.astype(rows.dtype)]
                start = first + block.size
        return jnp.concatenate([*parts, rows[:, start:]], 1)

    def _check(self, values: Mapping[str, Any]) -> None:
        unknown = set(values) - {block.name for block in self.blocks}
        if unknown:
            raise ValueError(f"no block is called {', '.join(sorted(unknown))}")

    def write_world(
        self,
        values: Mapping[str, Any],
        params: Any,
        batch: tuple[int, ...],
        written: Mapping["Layout", Array] = NOTHING,
    ) -> Array:
        """The only row of `Observation.world`.

        Args:
            values: of every block, what broadcasts to `(*batch)` of a single entry, else to `(*width, *batch)`.
            params: the environment's.
            batch: shape of the batch of worlds.
            written: as in `write`, of rows `(their size, *batch)`.
        Returns:
            `(size, *batch)`.
        Raises:
            KeyError: a block has no value.
            ValueError: a value belongs to no block, or what was written is no part of the row.
        """
        one_row = {name: _first_axis(x) for name, x in values.items()}
        parts = self._parts(one_row, params, (1, *batch), {part: row[None] for part, row in written.items()})
        return jnp.concatenate([part[0] for part in parts])

    def _parts(
        self, values: Mapping[str, Any], params: Any, shape: tuple[int, ...], written: Mapping["Layout", Array]
    ) -> list[Array]:
        """Of each block or written part, from the first on, `(n, its size, *batch)` or `(1, ...)`."""
        self._check(values)
        part_of = {block.name: part for part in written for block in part.blocks}
        for part in written:
            start = [block.name for block in self.blocks].index(part.blocks[0].name)
            if self.blocks[start : start + len(part.blocks)] != part.blocks:
                raise ValueError(f"other blocks follow on {part.blocks[0].name} than were written")
        parts = []
        for block in self.blocks:
            if block.name not in part_of:
                parts.append(block.spread(values[block.name], params, shape))
            elif block == part_of[block.name].blocks[0]:
                parts.append(written[part_of[block.name]])
        return parts


def _repeat(part: Array, n: int) -> Array:
    """Entries of one row or of n as those of n."""
    return jnp.broadcast_to(part, (n, *part.shape[1:]))


def _first_axis(x: Any) -> Any:
    """What the only row has, with an axis of length 1 before its others."""
    return jax.tree.map(lambda x: jnp.asarray(x)[None], x)
