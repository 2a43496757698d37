"""Worlds first for whoever wants them: `jax.vmap` of a reset or a step runs the native form, whose worlds come last.

`jax.vmap` by itself would put the worlds' axis first in every operation, where loops over a handful of agents are short, and
would compute both branches of a condition, so that a reset is drawn in every slot. The rule here moves the axis to the end, once
for each array, and calls the function as it is: it takes batches already. Of nested `jax.vmap`s each adds an axis at the end.
Numbers that are mapped over become a sweep; where the data of the numbers are mapped over (`jaxvec.core.params.data`, which all
worlds of a batch share), `jax.vmap` does what it would do by itself.

It acts where a single world's key is given and something is being traced; the native form never meets it. Under derivatives
the function is differentiated as it stands: `jax.grad` of a `jax.vmap` has the native form, `jax.vmap` of a `jax.grad` the
form that `jax.vmap` gives by itself, with the same numbers.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Literal, Primitive, jaxpr_as_fun
from jax.interpreters import ad, batching, mlir

Leaves = Sequence[Any]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Call:
    """A call of a function that takes batches whose axes come last.

    Attributes:
        function: `function(key, *rest, params)`.
        tree: of its arguments.
        rank: axes of the batch that it is called with, those of the key.
        fixed: by number the leaves of the arguments that are not being traced.
        traced: numbers of the others, in order.
    """

    function: Callable[..., Any]
    tree: Any
    rank: int
    fixed: dict[int, Any]
    traced: tuple[int, ...]

    def leaves(self, operands: Leaves, fixed: Any = None) -> list[Any]:
        """All leaves of the arguments.

        Args:
            operands: those that are being traced.
            fixed: in the place of all others; None: what they are.
        """
        found = {i: x if fixed is None else fixed for i, x in self.fixed.items()}
        found |= dict(zip(self.traced, operands, strict=True))
        return [found[i] for i in range(len(found))]

    def __call__(self, *operands: Any) -> Any:
        """What the function gives.

        Args:
            operands: the leaves that are being traced.
        """
        return self.function(*jax.tree.unflatten(self.tree, self.leaves(operands)))


Method = TypeVar("Method", bound=Callable[..., Any])


def worlds_last(method: Method) -> Method:
    """A reset or a step, of one world or of batches whose axes come last, that runs in its native form under `jax.vmap`.

    Args:
        method: of an environment, `method(self, key, *rest, params)`: rest are pytrees of arrays `(*shape, *batch)`, params the
            numbers, as `world_params` gives them; it returns pytrees of arrays `(*shape, *batch)`.
    Returns:
        The method, with the rule of this module.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def of_worlds(self: Any, *arguments: Any, **named: Any) -> Any:
        if named:
            arguments = signature.bind(self, *arguments, **named).args[1:]
        if not arguments or jnp.ndim(arguments[0]):
            return method(self, *arguments)
        return _call(functools.partial(method, self), 0, arguments)

    return cast(Method, of_worlds)


def _call(function: Callable[..., Any], rank: int, arguments: tuple[Any, ...]) -> Any:
    """The function's value, written down as one operation that has the rule, if anything is being traced."""
    leaves, tree = jax.tree.flatten(arguments)
    traced = tuple(i for i, x in enumerate(leaves) if isinstance(x, jax.core.Tracer))
    if not traced:
        return function(*arguments)
    call = Call(function, tree, rank, {i: x for i, x in enumerate(leaves) if i not in traced}, traced)
    operands = [leaves[i] for i in traced]
    jaxpr, out = jax.make_jaxpr(call, return_shape=True)(*operands)
    if any(isinstance(x, jax.core.Tracer) for x in jaxpr.consts):  # in the function itself, where the rule has no axes
        return function(*arguments)
    return jax.tree.unflatten(jax.tree.structure(out), worlds_last_p.bind(*operands, jaxpr=jaxpr, call=call))


def _batch(operands: Leaves, axes: Sequence[int | None], *, jaxpr: ClosedJaxpr, call: Call) -> tuple[Leaves, Leaves]:
    """The rule: the mapped axis goes to the end of each array, and the function is called with one more axis of worlds."""
    size = next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)
    moved = [x if axis is None else jnp.moveaxis(x, axis, -1) for x, axis in zip(operands, axes, strict=True)]
    *states, numbers = jax.tree.unflatten(call.tree, call.leaves(moved))
    *mapped, mapped_numbers = jax.tree.unflatten(call.tree, call.leaves([axis is not None for axis in axes], False))

    def spread(x: Any, is_mapped: bool) -> Any:
        return x if is_mapped else jnp.broadcast_to(jnp.asarray(x)[..., None], (*jnp.shape(x), size))

    numbers = _numbers(numbers, mapped_numbers, call.rank)
    if numbers is None:
        out = jax.vmap(jaxpr_as_fun(jaxpr), tuple(axes))(*operands)
        return out, [0] * len(out)
    after = jax.tree.leaves(_call(call.function, call.rank + 1, (*jax.tree.map(spread, states, mapped), numbers)))
    shapes = [(*aval.shape, size) for aval in jaxpr.out_avals]
    return [jnp.broadcast_to(x, shape) for x, shape in zip(after, shapes, strict=True)], [len(s) - 1 for s in shapes]


def _numbers(params: Any, mapped: Any, rank: int) -> Any:
    """Numbers for a batch with one more axis, some of them mapped over it; None where shared data are."""
    if not dataclasses.is_dataclass(params) or isinstance(params, type):
        return None if any(jax.tree.leaves(mapped)) else params
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(params):
        axes, x, is_mapped = field.metadata.get("axes"), getattr(params, field.name), getattr(mapped, field.name)
        if axes is None or not isinstance(is_mapped, bool):
            if any(jax.tree.leaves(is_mapped)):
                return None
        elif is_mapped and x.ndim == 1:
            changes[field.name] = x.reshape((1,) * rank + x.shape)
        elif not is_mapped and jnp.ndim(x) and (rank or jnp.ndim(x) == len(axes)):
            changes[field.name] = jnp.asarray(x)[..., None]
    return dataclasses.replace(params, **changes)


def _differentiate(primals: Leaves, tangents: Leaves, *, jaxpr: ClosedJaxpr, call: Call) -> tuple[Leaves, Leaves]:
    """The derivative of what was written down; what does not depend on the inputs that vary keeps a symbolic zero."""
    varies = [not isinstance(tangent, ad.Zero) for tangent in tangents]
    depends = _dependent(jaxpr, varies)

    def of_varying(*varying: Any) -> tuple[Leaves, Leaves]:
        rest = iter(varying)
        out = jaxpr_as_fun(jaxpr)(*(next(rest) if moves else x for x, moves in zip(primals, varies, strict=True)))
        return [x for x, moves in zip(out, depends, strict=True) if moves], out

    varying, directions = ([x for x, moves in zip(xs, varies, strict=True) if moves] for xs in (primals, tangents))
    _, slopes, out = jax.jvp(of_varying, varying, directions, has_aux=True)
    rest, tangent_avals = iter(slopes), [aval.to_tangent_aval() for aval in jaxpr.out_avals]
    return out, [next(rest) if moves else ad.Zero(aval) for aval, moves in zip(tangent_avals, depends, strict=True)]


def _dependent(jaxpr: ClosedJaxpr, varies: Sequence[bool]) -> list[bool]:
    """Which outputs may have a derivative by the inputs that vary."""
    dependent = {x for x, moves in zip(jaxpr.jaxpr.invars, varies, strict=True) if moves}

    def among(x: Any) -> bool:
        return not isinstance(x, Literal) and x in dependent

    for equation in jaxpr.eqns:
        if any(among(x) for x in equation.invars):
            dependent |= {x for x in equation.outvars if jnp.issubdtype(x.aval.dtype, jnp.inexact)}
    return [among(x) for x in jaxpr.jaxpr.outvars]


def _evaluate(*operands: Any, jaxpr: ClosedJaxpr, call: Call) -> Leaves:
    return jaxpr_as_fun(jaxpr)(*operands)


worlds_last_p = Primitive("worlds_last")
worlds_last_p.multiple_results = True
worlds_last_p.def_impl(_evaluate)
worlds_last_p.def_effectful_abstract_eval(lambda *_, jaxpr, call: (jaxpr.out_avals, jaxpr.effects))
batching.primitive_batchers[worlds_last_p] = _batch
ad.primitive_jvps[worlds_last_p] = _differentiate
mlir.register_lowering(worlds_last_p, mlir.lower_fun(_evaluate, multiple_results=True))
