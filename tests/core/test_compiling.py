"""How long programs are compiled: which options XLA gets."""

import jax
import pytest

from jaxvec.core import compiling


@pytest.fixture(autouse=True)
def _asked_anew():
    compiling._knows.cache_clear()
    yield
    compiling._knows.cache_clear()


def test_options_that_the_user_sets_are_left_alone(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=3 --xla_force_host_platform_device_count=2")
    assert "xla_backend_optimization_level" not in compiling.quick_options()
    monkeypatch.setenv("XLA_FLAGS", "")
    assert compiling.quick_options()["xla_backend_optimization_level"] == 1


def test_an_option_that_this_xla_has_not_is_left_out(monkeypatch):
    monkeypatch.setattr(compiling, "ON_CPU", {"xla_no_such_option": True, "xla_backend_optimization_level": 1})
    monkeypatch.setenv("XLA_FLAGS", "")
    assert compiling.quick_options() == {"xla_backend_optimization_level": 1}


def test_other_devices_get_none(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.quick_options() == {}


def test_the_program_computes_what_it_should(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    program = compiling.compile_quickly(jax.jit(lambda x: 2 * x + 1).lower(1.5))
    assert float(program(1.5)) == 4.0
