"""Hyper-parameters that change while training goes on."""

import dataclasses
from typing import Any

import jax.numpy as jnp
from jax import Array


def annealed(hyper: Any, update: Array) -> Any:
    """Hyper-parameters as they are in force at an update.

    Args:
        hyper: a struct; each field that has a partner NAME_end goes there linearly over its `anneal_updates`, or the part
            NAME_part of them.
        update: how many updates there were, `()`.
    """
    names = [field.name for field in dataclasses.fields(hyper)]  # not a set: its order changes from process to process

    def part(name: str) -> Array:
        updates = hyper.anneal_updates * getattr(hyper, f"{name}_part", 1.0)
        return jnp.clip(update / jnp.maximum(updates, 1.0), 0, 1)

    now = {
        name: getattr(hyper, name) + (getattr(hyper, f"{name}_end") - getattr(hyper, name)) * part(name)
        for name in names
        if f"{name}_end" in names
    }
    return hyper.replace(**now)
