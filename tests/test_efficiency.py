"""Efficiency: what a compiled program does is counted, weak scaling by hand, and a script for a GPU that goes on where it was."""

import json
import time

import jax
import jax.numpy as jnp
import pytest

from jaxvec import bench_program

REDUCED = """HloModule update

%body (arg: (s32[], f32[4])) -> (s32[], f32[4]) {
  %arg = (s32[], f32[4]{0}) parameter(0)
  %i = s32[] get-tuple-element(%arg), index=0
  %x = f32[4]{0} get-tuple-element(%arg), index=1
  %sums = (f32[4]{0}, /*index=1*/bf16[2,3]{1,0}) all-reduce(%x, %x), channel_id=1, to_apply=%add
  %y = f32[4]{0} get-tuple-element(%sums), index=0
  ROOT %next = (s32[], f32[4]{0}) tuple(%i, %y)
}

ENTRY %main (x: f32[4]) -> f32[8] {
  %x = f32[4]{0} parameter(0)
  %zero = s32[] constant(0)
  %start = (s32[], f32[4]{0}) tuple(%zero, %x)
  %loop = (s32[], f32[4]{0}) while(%start), condition=%less, body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %y = f32[4]{0} get-tuple-element(%loop), index=1
  ROOT %all = f32[8]{0} all-gather(%y), dimensions={0}
}
"""


def compiled(f, *shapes):
    return jax.jit(f).lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).compile()


def layer(x, w):
    return jnp.tanh(x @ w)


@pytest.mark.parametrize("times", [1, 7])
def test_what_is_in_a_loop_counts_as_often_as_it_runs(times):
    def loop(x, w):
        return jax.lax.scan(lambda x, _: (layer(x, w), None), x, None, times)[0]

    counted = bench_program.count(compiled(loop, (8, 16), (16, 16)).as_text())
    assert counted["transcendentals"] == times * 8 * 16
    assert counted["flops"] == pytest.approx(times * 2 * 8 * 16 * 16, rel=0.01)  # beside these the loop's counter
    assert counted["kernels"] >= times


def test_without_a_loop_the_count_is_the_compilers():
    program = compiled(lambda x, w: layer(x, w) * 2 + jnp.sum(x, 0), (8, 16), (16, 16))
    counted, theirs = bench_program.count(program.as_text()), program.cost_analysis()
    assert counted["bytes"] == theirs["bytes accessed"]
    assert counted["flops"] == pytest.approx(theirs["flops"], rel=0.05)


def test_of_a_slice_only_the_slice_is_read():
    program = compiled(lambda x: jax.lax.scan(lambda s, row: (s + row, None), jnp.zeros(64), x)[0], (100, 64))
    counted = bench_program.count(program.as_text())
    assert (
        100 * 3 * 64 * 4 <= counted["bytes"] < 100 * 8 * 64 * 4
    )  # a row in, a sum in and out, and the counter: not all rows


def test_a_product_counts_where_a_library_computes_it():
    gemm = """HloModule gemm

ENTRY %main (x: f32[8,16], w: f32[16,4]) -> f32[8,4] {
  %x = f32[8,16]{1,0} parameter(0)
  %w = f32[16,4]{1,0} parameter(1)
  %both = (f32[8,4]{1,0}, s8[4096]{0}) custom-call(%x, %w), custom_call_target="__cublas$gemm", \
backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"]}}}
  ROOT %product = f32[8,4]{1,0} get-tuple-element(%both), index=0
}
"""
    assert bench_program.count(gemm.replace("\\\n", ""))["flops"] == 2 * 8 * 4 * 16


def test_what_is_moved_between_devices_is_listed_with_how_often():
    assert bench_program.collectives(REDUCED) == [("all-gather", 32, 1), ("all-reduce", 16 + 12, 5)]


def test_weak_scaling_by_hand(load):
    scaling = load("scaling")
    cluster = scaling.Cluster(8, 100.0, 10.0, 1.0, 0.5, 2.0, 50.0, 20.0)
    assert scaling.reduce_s(400.0, 1, cluster) == 0
    assert scaling.reduce_s(400.0, 2, cluster) == 1 + 2 * 0.5 + 2 * 0.5 * 400 / 100
    assert scaling.reduce_s(400.0, 8, cluster) == 1 + 2 * 3 * 0.5 + 2 * 7 / 8 * 400 / 100
    across = 2 * 3 * 2.0 + 2 * 7 / 8 * (400 / 8) / 10
    assert scaling.reduce_s(400.0, 64, cluster) == scaling.reduce_s(400.0, 8, cluster) + across
    assert scaling.reduces_s([(400.0, 3), (0.0, 2)], 8, cluster) == 3 * 11 + 2 * 4
    work = {"kernels": 7, "flops": 100.0, "bytes": 60.0}
    assert scaling.bounds_s(work, 2.0, cluster) == {"kernels": 7, "flops": 4, "bytes": 6}
    assert scaling.efficiency(30.0, 10.0) == 0.75


def test_the_page_of_devices(load):
    devices = load("devices")
    moved = [{"kind": "all-reduce", "n_bytes": 8000, "times": 40}, {"kind": "all-reduce", "n_bytes": 4, "times": 2}]
    pair = {"what": "devices", "env": "isac_iov", "learner": "mappo", "worlds": 128, "steps": 3840, "load_1min": 2.0}
    pair |= {"one_s": 0.2, "two_s": 0.1, "times": 2.0, "times_low": 1.5, "times_high": 2.5, "moved": moved}
    pair |= {"fastest_times": 1.9, "cores_times": 1.1}
    pair |= {"flops": 2e9, "bytes": 3e6, "kernels": 1000}
    slot = {"what": "step", "env": "dt_edge", "kernel_runs_per_step": 50, "moved_bytes_per_step": 800.0}
    text = devices.page([pair, slot], {("isac_iov", "mappo"): 3e-3}, {"dt_edge": 1e-4}, "here")
    assert "| isac_iov | mappo | 128 | 1.92e+04 | 3.84e+04 | 2.00 | 1.50 to 2.50 | 1.90 | 1.10 | 2.0 |" in text
    assert "| isac_iov | mappo | 3840 | 2 | 3 | 1000 | 42 | 40 | 320 | 8 | none |" in text
    moved_s = 42 * 16e-6 + 320008 * 2 * 7 / 8 / 450e9
    assert f"| kernels | 4.00 | 3.0 | {1e3 * moved_s:.2f} | {8 * 4e-3 / (4e-3 + moved_s):.1f} |" in text
    gathering = pair | {"moved": [{"kind": "all-gather", "n_bytes": 9, "times": 1}]}
    assert "| kernels | 4.00 |  | gathers |  |" in devices.scaling_table([gathering], {})
    assert "| dt_edge | 50 | 0.20 | 5.12e+06 | 3.28e+08 | 800 | 0.10 | 2.0 |" in text


class Stub:
    """Jobs that need no JAX.

    Attributes:
        done: keys, in the order in which they were measured.
    """

    def __init__(self, gpu, speeds):
        self.gpu, self.speeds, self.done = gpu, speeds, []

    def jobs(self):
        for n, key in enumerate(self.speeds):
            before = list(self.speeds)[max(0, n - 2) : n]
            yield self.gpu.Job(key, lambda key=key: key, self.measure, lambda kept, b=before: self.gpu.grows(kept, b))

    def measure(self, key):
        self.done.append(key)
        if isinstance(self.speeds[key], BaseException):
            raise self.speeds[key]
        return {"what": "train", "agent_steps_per_s": self.speeds[key]}


def ask(stub, path, seconds=60.0, threads=0):
    kept = stub.gpu.Kept(path)
    return stub.gpu.do(list(stub.jobs()), kept, {"device": "d"}, time.monotonic() + seconds, threads), kept


@pytest.mark.parametrize("threads", [0, 3])
def test_worlds_are_doubled_until_it_is_not_worth_it(load, tmp_path, threads):
    stub = Stub(load("gpu"), {"1": 100.0, "2": 190.0, "4": 200.0, "8": 500.0, "16": 900.0})
    assert ask(stub, tmp_path / "rows.jsonl", threads=threads)[0]
    assert stub.done == ["1", "2", "4"]  # 200 is 5 % more


def test_a_killed_script_goes_on_where_it_was(load, tmp_path):
    gpu, path = load("gpu"), tmp_path / "rows.jsonl"
    stub = Stub(gpu, {"1": 1.0, "2": KeyboardInterrupt(), "4": 4.0})
    with pytest.raises(KeyboardInterrupt):
        ask(stub, path)
    path.write_text(path.read_text() + '{"key": "2", "agent')  # it was killed as it wrote
    stub.speeds["2"] = 2.0
    is_done, kept = ask(stub, path)
    assert is_done
    assert stub.done == ["1", "2", "2", "4"]
    assert [row["key"] for row in kept.rows] == ["1", "2", "4"]
    assert all(row["device"] == "d" for row in kept.rows)
    assert [row["key"] for row in gpu.Kept(path).rows] == ["1", "2", "4"]
    assert ask(stub, path)[0]
    assert len(stub.done) == 4, "nothing is measured twice"


def test_what_fails_is_kept_and_ends_its_search(load, tmp_path):
    stub = Stub(load("gpu"), {"1": 1.0, "2": RuntimeError("RESOURCE_EXHAUSTED"), "4": 4.0})
    is_done, kept = ask(stub, tmp_path / "rows.jsonl")
    assert is_done
    assert stub.done == ["1", "2"]
    assert kept.get("2")["why"] == "RuntimeError: RESOURCE_EXHAUSTED"


def test_nothing_begins_when_the_minutes_are_over(load, tmp_path):
    gpu = load("gpu")
    stub = Stub(gpu, {"1": 1.0})
    is_done, kept = ask(stub, tmp_path / "rows.jsonl", seconds=0.0)
    assert (is_done, stub.done, kept.rows) == (False, [], [])
    waited = gpu.Job("long", lambda: time.sleep(0.5), lambda _: {})
    begun = time.monotonic()
    assert not gpu.do([waited], kept, {}, begun + 0.1, 1)
    assert time.monotonic() - begun < 0.4, "what is compiled is not waited for"


def test_the_plan_asks_for_everything_once(load):
    gpu = load("gpu")
    jobs = gpu.plan(["a", "b"], ["mappo", "apg"], [1024, 4096], 0.0)
    keys = [job.key for job in jobs]
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if key.startswith("train b apg")] == [f"train b apg {n}" for n in (1024, 2048, 4096)]
    assert keys.index("env b 4096") < keys.index("train a mappo 1024") < keys.index("train a apg 1024")


def test_the_page_of_a_gpu(load, tmp_path):
    gpu = load("gpu")
    here = {"device": "NVIDIA X", "cores": 16, "jax": "0.11", "python": "3.12", "date": "2026-11-29"}
    speed = {"steps_per_s": 1e6, "steps_per_s_low": 9e5, "steps_per_s_high": 2e6, "agent_steps_per_s": 5e6}
    speed |= {"compile_s": 3.0, "worlds": 1000}
    counted = {"kernel_runs_per_step": 100, "moved_bytes_per_step": 500.0, "floor_bytes_per_step": 50.0}
    rows = [
        {"what": "bandwidth", "bytes_per_s": 1e9},
        {"what": "step", "env": "isac_iov", "worlds": 1000, "flops_per_step": 7.0, **counted},
        {"what": "env", "env": "isac_iov", "series": "isac_iov, random actions", **speed},
        {"what": "train", "series": "a, mappo", "slots_per_update": 2000, "kernels": 400, "flops": 4e6, **speed},
        {"what": "start", "env": "a", "learner": "mappo", "cold_s": 70.0, "warm_s": 9.0},
        {"what": "quantum", "qubits": 6, "layers": 4, "timed": "forward", **speed},
        {"what": "failure", "key": "train a sac 2048", "why": "too large"},
    ]
    text = gpu.page([here | row for row in rows], 3, "5 rounds")
    assert text.startswith("# NVIDIA X, 2026-11-29\n")
    assert "3 measurements are left" in text
    assert "| isac_iov | 1000 | 1e+06 | 9e+05 to 2e+06 | 5e+06 | 0.017 | 3.0 | 100 | 10.00 | 1 | 50% | 20.0 |" in text
    assert "| a, mappo | 1000 | 1e+06 | 9e+05 to 2e+06 | 5e+06 | 0.5 | 3.0 | 400 | 5.00 | 2e+09 | yes |" in text
    assert "| a | mappo | 70.0 | 9.0 |" in text
    assert "| train a sac 2048 | too large |" in text
    assert gpu.page([], 5, "5 rounds")
    json.dumps(rows)
