"""`train`: many updates, watched, logged, and safe against being killed at any moment."""

import json
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.core.errors import suggest
from jaxvec.core.files import replacing
from jaxvec.core.params import check_params
from jaxvec.core.rollout import Policy
from jaxvec.learners.base import Learner
from jaxvec.training.checkpoints import Checkpoints
from jaxvec.training.config import ConfigError, config_of, differences, read_config, write_config
from jaxvec.training.custom import differences_of_networks
from jaxvec.training.progress import Progress
from jaxvec.training.run_folder import init_seeds, member_of

STUCK = 0.1  # of the actors, of which is warned


class TrainingError(RuntimeError):
    """Training produced a number that is not finite; the last good checkpoint is kept."""


class Result(NamedTuple):
    """What `train` returns.

    Attributes:
        learner: as given.
        state: after the last update; with several seeds every leaf has a leading axis.
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
        """The policy of one of the seeds."""
        return self.learner.policy(member_of(self.state, self.num_seeds, member), greedy)


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
    progress: bool | TextIO = True,
) -> Result:
    """Run a learner.

    Args:
        learner: what learns.
        params: the environment's parameters.
        key: everything random follows from it.
        num_updates: in total, those of a resumed run included (which may be given more than it was to have).
        num_seeds: independent learners in one program; `key` is split among them.
        hyper: hyper-parameters to change, `{"gamma": 0.9}`, in `learner.hyper` with its schedules (`anneal_updates`) as long as
            the run; or all of them, which are taken as they are.
        out: run folder for config, metrics and checkpoints; None writes nothing.
        resume: go on from the last checkpoint in `out`, to the result that an uninterrupted run has, bit for bit.
        chunk: updates per device program; the host looks at metrics and saves between chunks. Default: about 100 chunks.
        checkpoint_every_s: save at the first end of a chunk after so many seconds, and at the end.
        progress: draw a line on stderr, or on the given stream.
    Raises:
        TrainingError: a metric or a parameter is not finite; names the update and the metric.
        ConfigError: `out` holds a run already and `resume` is False, or the run there has another configuration (its
            differing fields are named).
        ValueError: a bad argument.
    """
    for name, value in (("num_updates", num_updates), ("num_seeds", num_seeds), ("chunk", chunk or 1)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    planned = num_updates
    if resume and out is not None and (Path(out) / "config.json").exists():
        before = read_config(Path(out))["train"]
        chunk, planned = chunk or int(before["chunk"]), int(before["num_updates"])
    chunk = chunk or max(1, -(-num_updates // 100))
    if hyper is None or isinstance(hyper, Mapping):
        hyper = _changed(scheduled(learner.hyper, planned), hyper or {})
    check_params(params), check_params(hyper)
    sizes = {"num_updates": num_updates, "num_seeds": num_seeds, "chunk": chunk}
    config = config_of(learner, params, hyper, key, **sizes) if out is not None else {}
    folder = _Folder(Path(out), config, params, resume) if out is not None else None
    with closing(Progress(progress)) as line, closing(folder) if folder else nullcontext():
        started = time.perf_counter()
        line.start(f"{learner.name} on {learner.env.id}, {jax.devices()[0].device_kind}")
        fresh = jax.jit(lambda: init_seeds(learner, params, hyper, key, num_seeds))
        state = fresh() if folder is None or folder.start == 0 else folder.checkpoints.restore(jax.eval_shape(fresh))
        run = jax.jit(_chunk_of(learner, num_seeds, chunk), donate_argnums=0).lower(state, jnp.int32(0)).compile()
        compiled = time.perf_counter()
        plan = _Plan(learner, num_updates, num_seeds, chunk, checkpoint_every_s)
        state, metrics = _run(run, state, plan, folder, line)
        run_s = time.perf_counter() - compiled
    return Result(learner, state, metrics, num_seeds, Path(out) if out is not None else None, compiled - started, run_s)


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
    run: Callable[..., Any], state: Any, plan: _Plan, folder: "_Folder | None", line: Progress
) -> tuple[Any, dict[str, np.ndarray]]:
    """Chunk after chunk, each watched, logged and saved; the last state, and the metrics of all updates."""
    first = done = folder.start if folder else 0
    steps = plan.learner.steps_per_update
    history: list[dict[str, np.ndarray]] = []
    started = time.perf_counter()
    while done < plan.num_updates:
        count = min(plan.chunk - done % plan.chunk, plan.num_updates - done)
        state, metrics, finite = run(state, jnp.int32(count))
        rows = {name: np.asarray(x)[:count] for name, x in metrics.items()}
        _check(rows, bool(np.all(finite)), done, folder.path if folder else None)
        done += count
        elapsed = time.perf_counter() - started
        history.append(rows)
        reward = float(np.mean(rows["reward"][-1]))
        line.update(done, plan.num_updates, reward, elapsed, start=first, steps=steps * plan.num_seeds)
        if folder:
            folder.log(rows, done - count, steps, elapsed)
            folder.save(done, state, done == plan.num_updates, plan.checkpoint_every_s)
    joined = {name: np.concatenate([rows[name] for rows in history]) for name in history[0]} if history else {}
    _warn(joined)
    return state, joined


def scheduled(hyper: Any, num_updates: int) -> Any:
    """Hyper-parameters whose schedules, if they have any, last for the run."""
    if not hasattr(hyper, "anneal_updates"):
        return hyper
    return hyper.replace(anneal_updates=float(num_updates))


def _changed(hyper: Any, changes: Mapping[str, Any]) -> Any:
    """Hyper-parameters with others in the place of some.

    Raises:
        ValueError: one is unknown; the message lists those there are.
    """
    for name in changes:
        if name not in vars(hyper):
            raise ValueError(suggest("hyper-parameter", name, vars(hyper)))
    return hyper.replace(**changes) if changes else hyper


def _chunk_of(learner: Learner, num_seeds: int, chunk: int) -> Any:
    """`run(state, count) -> state, metrics, finite`: up to `chunk` updates in one program, whatever the count."""
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


def _check(rows: dict[str, np.ndarray], finite: bool, done: int, out: Any) -> None:
    bad = {name: np.argwhere(~np.isfinite(x)) for name, x in rows.items()}
    first_bad = sorted((int(where[0][0]), name, where[0][1:]) for name, where in bad.items() if len(where))
    checkpoint = f"; the last good checkpoint is in {out}" if out is not None else ""
    if first_bad:
        update, name, seed = first_bad[0]
        seed_words = f" of seed {seed[0]}" if len(seed) else ""
        raise TrainingError(f"update {done + update + 1}: {name}{seed_words} is {rows[name][update]}{checkpoint}")
    if not finite:
        last = done + len(next(iter(rows.values())))
        raise TrainingError(f"update {last}: a parameter of the learner is not finite{checkpoint}")


class _Folder:
    """The run folder while it is being written."""

    def __init__(self, path: Path, config: dict[str, Any], params: Any, resume: bool):
        self.path, self.start = path, 0
        exists = (path / "config.json").exists()
        if exists and not resume:
            raise ConfigError(f"{path} holds a run already: resume it, or choose another folder")
        if exists:
            before = read_config(path)
            lines = differences(config, before)
            lines += differences_of_networks(config["learner"]["custom"], before["learner"]["custom"])
            if lines:
                raise ConfigError(f"{path} was made by another configuration: " + "; ".join(lines))
        else:
            write_config(path, config, params)
        self.checkpoints = Checkpoints(path, config["train"]["impl"])
        self.start = self.checkpoints.latest or 0
        self._saved_at = time.perf_counter()
        self._seconds = self._drop_after(self.start)
        self._log = (path / "metrics.jsonl").open("a")
        self._board = _board(path)

    def _drop_after(self, update: int) -> float:
        """Remove the metrics of updates that the checkpoint has not seen; returns the seconds of the last one kept."""
        file = self.path / "metrics.jsonl"
        rows = []
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # the line being written when the run was killed
                break
            if row["update"] <= update:
                rows.append(row)
        with replacing(file) as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return rows[-1]["seconds"] if rows else 0.0

    def log(self, rows: dict[str, np.ndarray], done: int, steps: int, elapsed: float) -> None:
        """Append a line per update: a number per metric, or a list over seeds."""
        for i in range(len(next(iter(rows.values())))):
            update = done + i + 1
            head = {"update": update, "steps": update * steps, "seconds": round(self._seconds + elapsed, 3)}
            self._log.write(json.dumps(head | {name: x[i].tolist() for name, x in rows.items()}) + "\n")
            if self._board:
                for name, x in rows.items():
                    self._board.add_scalar(name, float(np.mean(x[i])), update)
        self._log.flush()

    def save(self, done: int, state: Any, last: bool, every_s: float) -> None:
        """A checkpoint, if it is time."""
        if last or time.perf_counter() - self._saved_at >= every_s:
            self.checkpoints.save(done, state)
            self._saved_at = time.perf_counter()

    def close(self) -> None:
        """Release the files."""
        self._log.close()
        self.checkpoints.close()
        if self._board:
            self._board.close()


def _board(path: Path) -> Any:
    """A TensorBoard writer where tensorboardX is installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(path / "tensorboard"))
