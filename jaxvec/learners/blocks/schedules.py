"""Hyper-parameters that change while training goes on."""

import dataclasses
from typing import TypeVar

import jax.numpy as jnp
from jax import Array

Hyper = TypeVar("Hyper")


def annealed(hyper: Hyper, update: Array) -> Hyper:
    """The values in force at an update: each field that has a partner NAME_end goes there linearly over `anneal_updates`."""
    part = jnp.clip(update / jnp.maximum(hyper.anneal_updates, 1.0), 0, 1)  # type: ignore[attr-defined]
    names = {field.name for field in dataclasses.fields(hyper)}  # type: ignore[arg-type]
    now = {
        name: getattr(hyper, name) + (getattr(hyper, f"{name}_end") - getattr(hyper, name)) * part
        for name in names
        if f"{name}_end" in names
    }
    return hyper.replace(**now)  # type: ignore[attr-defined]
