"""What learners' updates are made of: they are not to grow unnoticed, as every equation is compiled before a first update."""

import jax
import pytest

import jaxvec
from jaxvec.bench_compile import count, equations

# Equations of an update at a learner's own settings (jax 0.10.2), see `jaxvec.bench_compile`; the limits are 5 % above.
EQUATIONS = {
    ("isac_iov", "mappo"): 4541,
    ("isac_iov", "maddpg"): 7110,
    ("isac_iov", "sac"): 7556,
    ("v2x_offload", "mappo"): 5432,
    ("v2x_offload", "maddpg"): 8075,
    ("v2x_offload", "sac"): 9047,
    ("dt_edge", "mappo"): 4581,
    ("dt_edge", "maddpg"): 7023,
    ("dt_edge", "sac"): 7287,
    ("twin_migration", "mappo"): 9639,
    ("twin_migration", "maddpg"): 11677,
    ("twin_migration", "sac"): 12020,
    ("urllc_vec", "mappo"): 16481,
    ("urllc_vec", "maddpg"): 21727,
}
QUICK = {
    ("dt_edge", "mappo"),
    ("dt_edge", "maddpg"),
    ("dt_edge", "sac"),
    ("urllc_vec", "mappo"),
    ("twin_migration", "mappo"),
}


@pytest.mark.parametrize(
    ("env_id", "name"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in EQUATIONS],
)
def test_an_update_has_not_grown(env_id, name):
    env, params = jaxvec.make(env_id)
    counted, held = count(env, params, name), EQUATIONS[env_id, name]
    assert counted <= 1.05 * held, (
        f"the update of {name} on {env_id} has {counted} equations, it had {held}: jaxvec.bench_compile.commonest says from "
        "which lines they come; something may be unrolled, or called twice. If they are worth it, write down the new number."
    )
    assert counted >= 0.8 * held, f"{counted} equations instead of {held}: well done; write down the new number"


def test_equations_count_bodies_once_and_calls_each_time():
    twice = jax.jit(lambda x: x * 2 + 1)

    def f(x):
        x = twice(twice(x))  # 4
        return jax.lax.scan(lambda c, _: (c - 1, c), x, None, length=9)  # the scan and its body

    assert sorted(e.primitive.name for e in equations(jax.make_jaxpr(f)(1.0))) == [
        "add",
        "add",
        "mul",
        "mul",
        "scan",
        "sub",
    ]
