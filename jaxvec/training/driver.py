"""`train`: many updates, watched, logged, and safe against being killed at any moment."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxvec.core import cache, processes
from jaxvec.core.devices import fetched, own, placed, said, usable_by_all, use_devices
from jaxvec.core.errors import suggest
from jaxvec.core.params import check_params
from jaxvec.core.rollout import Policy
from jaxvec.core.shards import most_of
from jaxvec.learners.base import Learner
from jaxvec.training.config import config_of, read_config
from jaxvec.training.progress import Progress
from jaxvec.training.run_folder import init_seeds, member_of
from jaxvec.training.run_follower import RunFollower, check_alike
from jaxvec.training.run_writer import RunWriter
from jaxvec.training.signals import Signals, Stopped

STUCK = 0.1  # of the actors, of which is warned


class TrainingError(RuntimeError):
    """Training produced a number that is not finite; the last good checkpoint is kept."""

    everywhere = True  # of several processes, see `jaxvec.core.processes.together`


class Result(NamedTuple):
    """What `train` returns.

    Attributes:
        learner: as given.
        state: after the last update; with several seeds every leaf has a leading axis. Of several processes its arrays are those
            of all together.
        metrics: per name `(updates,)`, or `(updates, seeds)`, of the updates of this call.
        num_seeds: how many seeds.
        out: the run folder, or None.
        compile_s, run_s: seconds that compiling and running took.
    """

    learner: Learner
    state: Any
    metrics: dict[str, np.ndarray]
    num_seeds: int
    out: Path | None
    compile_s: float
    run_s: float

    def policy(self, member: int = 0, greedy: bool = True) -> Policy:
        """The policy of one of the seeds, in this process alone."""
        return self.learner.policy(member_of(own(self.state), self.num_seeds, member), greedy)


def train(
    learner: Learner,
    params: Any,
    key: jax.Array,
    num_updates: int = 1000,
    *,
    num_seeds: int = 1,
    hyper: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    chunk: int | None = None,
    checkpoint_every_s: float = 10.0,
    devices: int | Sequence[jax.Device] | None = None,
    progress: bool | TextIO = True,
) -> Result:
    """Run a learner; in several processes (`jaxvec.core.hosts.start`) each calls this with the same arguments.

    Args:
        learner: what learns.
        params: the environment's parameters.
        key: everything random follows from it.
        num_updates: in total, those of a resumed run included (which may be given more than it was to have).
        num_seeds: independent learners in one program; `key` is split among them.
        hyper: changes of `learner.hyper`, `{"gamma": 0.9}`, whose schedules last as long as the run; or all, as they are.
        out: run folder for config, metrics and checkpoints, which the first of several processes writes; None writes nothing.
        resume: go on from the last checkpoint in `out`, to the result that an uninterrupted run has, bit for bit; if it is
            damaged, from the one before. Where there is none, begin.
        chunk: updates per device program; the host looks at metrics and saves between chunks. Default: about 100 chunks.
        checkpoint_every_s: save at the first end of a chunk after so many seconds, and at the end.
        devices: over which worlds are spread, as `usable` takes them; the result depends on them by rounding alone.
        progress: draw a line on stderr, or on the given stream.
    Raises:
        TrainingError: a metric or a parameter is not finite; names the update and the metric.
        ConfigError: `out` holds a run already, or what is left of one, and `resume` is False; the run there has another
            configuration (its differing fields are named), or cannot be read; another training writes there.
        ValueError: a bad argument, or the run has more than `num_updates` already.
        Stopped: by SIGINT or SIGTERM where there is a folder; the first lets the running chunk end, which is kept.
        HostLostError: another process has ended or does not answer.
    """
    processes.join()
    cache.enable()
    _check_counts(num_updates=num_updates, num_seeds=num_seeds, chunk=chunk or 1)
    out = None if out is None else Path(out)
    chunk, hyper = _as_before(learner, num_updates, hyper or {}, chunk, out if resume else None)
    check_params(params, learner.env), check_params(hyper)
    used = usable_by_all(n_worlds := getattr(learner.settings, "n_worlds", 1), devices, most_of(n_worlds))
    plan = _Plan(learner, num_updates, num_seeds, chunk, checkpoint_every_s)
    config = config_of(learner, params, hyper, key, num_updates=num_updates, num_seeds=num_seeds, chunk=chunk)
    with (
        processes.together(), closing(Progress(progress if processes.is_first() else False)) as line,
        _keeper(out, config, params, resume) as writer, Signals(out is not None) as signals,
    ):  # fmt: skip
        started = time.perf_counter()
        check_alike(config)
        fresh = jax.jit(lambda: init_seeds(learner, params, hyper, key, num_seeds))
        prepared = partial(_prepared, fresh, plan, used, writer, line, titled(learner, params))
        state, run = prepared() if processes.count() == 1 else signals.heard(prepared, line.write)
        compiled = time.perf_counter()
        state, metrics = _run(run, state, plan, writer, line, signals)
    return Result(learner, state, metrics, num_seeds, out, compiled - started, time.perf_counter() - compiled)


def _keeper(out: Path | None, config: dict[str, Any], params: Any, resume: bool) -> Any:
    """Who keeps the run: a context that gives a writer in the first process, a follower in others, or None without a folder."""
    if out is None:
        return nullcontext()
    return RunWriter(out, config, params, resume) if processes.is_first() else RunFollower(out, config)


def _prepared(
    fresh: Any, plan: "_Plan", used: Sequence[jax.Device], writer: Any, line: Progress, title: str
) -> tuple[Any, Any]:
    """The state with which training begins, and its compiled program."""
    n_worlds = getattr(plan.learner.settings, "n_worlds", 1)
    with use_devices(used):
        kept = writer.begin(fresh, line.write) if writer else None
        line.start(f"{title}, {said(n_worlds, used)}")
        state = fresh() if kept is None else _placed(kept, fresh, len(used))
        run = compiled_chunk(plan.learner, plan.num_seeds, plan.chunk, state)
        processes.meet()
        return state, run


def _as_before(learner: Learner, num_updates: int, hyper: Any, chunk: int | None, run: Path | None) -> tuple[int, Any]:
    """Updates per program, and hyper-parameters: of a run that goes on as they were."""
    before = read_config(run)["train"] if run and (run / "config.json").exists() else {}
    chunk = chunk or before.get("chunk") or max(1, -(-num_updates // 100))
    return chunk, _changed(scheduled(learner.hyper, before.get("num_updates", num_updates)), hyper)


def _check_counts(**counts: int) -> None:
    """Refuse what is less than one."""
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")


def _placed(kept: Any, fresh: Any, n_devices: int) -> Any:
    """A state that was read back, lying on devices as a fresh one does."""
    return kept if n_devices == 1 else placed(kept, fresh.lower().compile().output_shardings)


def titled(learner: Learner, params: Any) -> str:
    """A training in words: the learner, the environment, and whose reward is shown where that is not what agents learn from.

    Args:
        learner: what learns.
        params: the environment's parameters.
    """
    own = "" if learner.env.shares_reward(params) else ", mean of own rewards"
    return f"{learner.name} on {learner.env.id}{own}"


def _warn(metrics: dict[str, np.ndarray]) -> None:
    """Say what a learner's last metrics show to be wrong."""
    stuck = {name: float(np.mean(x[-1])) for name, x in metrics.items() if "/stuck" in name and len(x)}
    for name, part in stuck.items():
        if part > STUCK:
            warnings.warn(
                f"{part:.0%} of the actors make the same choice whatever they see ({name}): they are saturated, and learn no "
                "more. A smaller actor_learning_rate, a larger actor_penalty or warmup keeps them from it.",
                stacklevel=4,
            )


class _Plan(NamedTuple):
    """Of a training: the learner, updates in total, seeds, updates in one program, seconds between checkpoints."""

    learner: Learner
    num_updates: int
    num_seeds: int
    chunk: int
    checkpoint_every_s: float


def _run(
    run: Callable[..., Any], state: Any, plan: _Plan, writer: Any, line: Progress, signals: Signals
) -> tuple[Any, dict[str, np.ndarray]]:
    """Chunk after chunk, each watched, logged and saved; the last state, and the metrics of all updates."""
    first = done = writer.start if writer else 0
    steps = plan.learner.steps_per_update
    history: dict[str, np.ndarray] = {}
    started = time.perf_counter()
    signals.patient = True
    while done < plan.num_updates:
        count = min(plan.chunk - done % plan.chunk, plan.num_updates - done)
        asked = partial(_asked, writer, plan.checkpoint_every_s, signals)
        state, metrics, finite, due, signum = signals.heard(partial(_to_its_end, run, state, count, asked), line.write)
        if not history:
            lengths = {name: (plan.num_updates - first, *x.shape[1:]) for name, x in metrics.items()}
            history = {name: np.empty(lengths[name], x.dtype) for name, x in metrics.items()}
        rows = {name: x[done - first : done - first + count] for name, x in history.items()}
        for name, x in metrics.items():
            rows[name][:] = np.asarray(x)[:count]  # a copy: a view would keep the device's array
        _check(rows, bool(np.all(finite)), done, writer)
        done += count
        elapsed = time.perf_counter() - started
        last = max(0, done - first - plan.learner.updates_per_episode)
        reward = float(np.mean(history["reward"][last : done - first]))
        line.update(done, plan.num_updates, reward, elapsed, start=first, steps=steps * plan.num_seeds)
        if writer:
            writer.log(rows, done - count, steps, elapsed)
            if due or signum or done == plan.num_updates:
                _save(writer, done, state, signals, line)
            if not signum and processes.count() == 1 and signals.received is not None:  # it has come since
                signum = signals.received
                _save(writer, done, state, signals, line)
            if signum:
                raise Stopped("", signum, everywhere=True)
    _warn(history)
    return state, history


def _to_its_end(run: Callable[..., Any], state: Any, count: int, asked: Callable[[], Any]) -> Any:
    """What a chunk returns, once it is computed, and what is asked of it then."""
    return *jax.block_until_ready(run(state, np.int32(count))), *asked()


def _asked(writer: Any, every_s: float, signals: Signals) -> tuple[bool, int]:
    """Whether a checkpoint is due, and the signal that some process has received, if any: the same in all processes."""
    if writer is None:
        return False, 0
    due, signum = processes.gathered(writer.is_due(every_s), signals.received or 0).max(axis=0)
    return bool(due), int(signum)


def _save(writer: Any, done: int, state: Any, signals: Signals, line: Progress) -> None:
    """Keep a state; that of several processes is fetched before."""
    if processes.count() > 1 and done > writer.saved:
        state = signals.heard(partial(fetched, state), line.write)
    writer.save(done, state)


def scheduled(hyper: Any, num_updates: int) -> Any:
    """Hyper-parameters whose schedules, if they have any, last for the run."""
    if not hasattr(hyper, "anneal_updates"):
        return hyper
    return hyper.replace(anneal_updates=float(num_updates))


def _changed(hyper: Any, changes: Any) -> Any:
    """Hyper-parameters with others in the place of some, or of all if `changes` is no mapping.

    Raises:
        ValueError: one is unknown; the message lists those there are.
    """
    if not isinstance(changes, Mapping):
        return changes
    for name in changes:
        if name not in vars(hyper):
            raise ValueError(suggest("hyper-parameter", name, vars(hyper)))
    return hyper.replace(**changes)


def compiled_chunk(learner: Learner, num_seeds: int, chunk: int, state: Any) -> Any:
    """`run(state, count) -> state, metrics, finite`: up to `chunk` updates in one program, whatever the count.

    Args:
        learner: what learns.
        num_seeds: with a leading axis in the state, if several.
        chunk: the most updates.
        state: with which it begins; it is used up, and what comes out lies where it lay; metrics lie whole on each device.
    """
    shardings = jax.tree.map(lambda x: x.sharding, state)
    whole = None if jax.sharding.get_abstract_mesh().empty else PartitionSpec()
    run = jax.jit(_chunk_of(learner, num_seeds, chunk), donate_argnums=0, out_shardings=(shardings, whole, whole))
    return run.lower(state, np.int32(0)).compile()


def _chunk_of(learner: Learner, num_seeds: int, chunk: int) -> Any:
    """What `compiled_chunk` compiles."""
    update = learner.update if num_seeds == 1 else jax.vmap(learner.update)

    def run(state: Any, count: jax.Array) -> Any:
        shapes = jax.eval_shape(update, state)[1]
        metrics = jax.tree.map(lambda x: jnp.zeros((chunk, *x.shape), x.dtype), shapes)

        def update_once(i, carry):
            state, metrics = carry
            state, now = update(state)
            return state, jax.tree.map(lambda rows, x: rows.at[i].set(x), metrics, now)

        state, metrics = jax.lax.fori_loop(0, count, update_once, (state, metrics))
        floats = [x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)]
        return state, metrics, jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in floats]))

    return run


def _check(rows: dict[str, np.ndarray], finite: bool, done: int, writer: RunWriter | None) -> None:
    """Refuse metrics and a state that are not finite.

    Raises:
        TrainingError: names the update and the metric.
    """
    bad = {name: np.argwhere(~np.isfinite(x)) for name, x in rows.items()}
    first_bad = sorted((int(where[0][0]), name, where[0][1:]) for name, where in bad.items() if len(where))
    checkpoint = f"; the last good checkpoint is in {writer.path}" if writer and writer.saved else ""
    if first_bad:
        update, name, seed = first_bad[0]
        seed_words = f" of seed {seed[0]}" if len(seed) else ""
        raise TrainingError(f"update {done + update + 1}: {name}{seed_words} is {rows[name][update]}{checkpoint}")
    if not finite:
        last = done + len(next(iter(rows.values())))
        raise TrainingError(f"update {last}: a parameter of the learner is not finite{checkpoint}")
