"""How processes are joined that train together, on one host or many: from SLURM's variables, or as told.

What they then do together is in `jaxvec.core.processes`.
"""

import atexit
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax

from jaxvec.core.processes import BEAT_S, GRACE_S, LOST_AFTER_S, begin, leave_at_once

HEARTBEAT_S = 100  # JAX's own, which ends a process at once: only where ours could not
SHUTDOWN_S = 300  # for which a process waits for the others at its end
LATER_S = 24 * 3600  # than our own limit of waiting comes JAX's, which aborts the process
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    rank: int | None = None,
    *,
    wait_s: float = 300.0,
    lost_after_s: float = LOST_AFTER_S,
) -> None:
    """Join the other processes, from SLURM's variables or as told; call it before anything is computed.

    From then on `jax.devices()` are those of all processes, and `train` spreads worlds over them. Every process runs the same
    program with the same arguments. Collectives are gloo's on CPUs and NCCL's on GPUs. In a SLURM step of one task per node each
    process has all devices of its node; of several, each has the one of its number.

    Args:
        coordinator: HOST:PORT, where process 0 listens, free there; the host as the others reach it.
        processes: how many there are.
        rank: of this one, from 0.
        wait_s: seconds to wait until all are there [s].
        lost_after_s: seconds without a sign of life after which a process is lost, and the others end [s].
    Raises:
        ValueError: an argument is missing or wrong, or none is given outside of a SLURM step.
        RuntimeError: something has been computed already; the port is taken; the others did not come in time.
    """
    from jax._src import distributed, xla_bridge  # JAX has no public way to keep the service out of process 0

    given = [coordinator, processes, rank]
    check_address(coordinator, processes, rank, os.environ)
    if distributed.global_state.client is not None:
        raise RuntimeError("this process has joined others already")
    if xla_bridge.backends_are_initialized():
        raise RuntimeError("something has been computed before the processes were joined: call start() first")
    if given == [None] * 3:
        coordinator, processes, rank = _of_slurm()
    assert coordinator is not None
    assert processes is not None
    assert rank is not None
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    service = _serve(coordinator, processes, lost_after_s) if rank == 0 else None
    times = {"init_timeout": round(wait_s) + LATER_S, "heartbeat_timeout": HEARTBEAT_S, "shutdown_timeout": SHUTDOWN_S}
    client: Any = distributed._jax.get_distributed_runtime_client(coordinator, rank, use_compression=True, **times)
    if why := _connect(client, wait_s):
        if service is not None:
            service.kill()
        hint = ": is process 0 there, and its port open?" if rank else ""
        raise RuntimeError(f"process {rank} of {processes}, at {coordinator}, {why}{hint}")
    state = distributed.global_state
    state.coordinator_address, state.num_processes, state.process_id = coordinator, processes, rank
    state.client = client
    begin(client, rank, processes, lost_after_s, service)


def _connect(client: Any, wait_s: float) -> str:
    """Connect; in words, why it does not come to it."""
    failed = list[str]()

    def connect() -> None:
        try:
            client.connect()
        except Exception as error:
            failed.append(f"cannot join the others ({' '.join(str(error).split())[:200]})")

    connecting = threading.Thread(target=connect, daemon=True)
    connecting.start()
    connecting.join(wait_s)
    if connecting.is_alive():
        atexit.register(leave_at_once, 1)  # the thread still waits inside JAX
        return f"has waited {wait_s:.0f} s, and not all others have come"
    return failed[0] if failed else ""


def check_address(coordinator: str | None, processes: int | None, rank: int | None, environ: Any) -> None:
    """Refuse what does not say who is joined where.

    Args:
        coordinator, processes, rank: of `start`.
        environ: of the process, with SLURM's variables where there is SLURM.
    Raises:
        ValueError: names what is wrong or missing.
    """
    given = {"coordinator": coordinator, "processes": processes, "rank": rank}
    missing = [name for name, x in given.items() if x is None]
    if len(missing) == 3:
        absent = [name for name in SLURM if name not in environ]
        if absent:
            raise ValueError(
                f"this is no step of a SLURM job ({absent[0]} is not set): give coordinator HOST:PORT, processes and rank"
            )
        return
    if missing:
        raise ValueError(f"coordinator, processes and rank go together: {' and '.join(missing)} missing")
    assert coordinator is not None
    assert processes is not None
    assert rank is not None
    host, _, port = coordinator.rpartition(":")
    if not re.fullmatch(r"[\w.\-]+|\[[0-9a-fA-F:.]+\]", host) or not port.isascii() or not port.isdecimal():
        raise ValueError(f"coordinator must be HOST:PORT, not {coordinator!r}")
    if not 1 <= int(port[:6]) <= 65535:
        raise ValueError(f"coordinator has port {port}, which must be from 1 to 65535")
    if processes < 1:
        raise ValueError(f"processes must be at least 1, not {processes}")
    if not 0 <= rank < processes:
        raise ValueError(f"rank must be from 0 to {processes - 1}, as there are {processes} processes, not {rank}")


def _of_slurm() -> tuple[str, int, int]:
    """Coordinator, processes and rank of a SLURM step; of several tasks on a node each is left the device of its number."""
    from jax._src.clusters import ClusterEnv

    detect = ClusterEnv.auto_detect_unset_distributed_params
    address, processes, rank, devices = detect(None, None, None, None, "slurm", None)
    assert address is not None
    assert processes is not None
    assert rank is not None
    assert devices is not None
    if processes != int(os.environ.get("SLURM_STEP_NUM_NODES", os.environ.get("SLURM_NNODES", processes))):
        jax.config.update("jax_cuda_visible_devices", ",".join(map(str, devices)))
    return address, processes, rank


def _serve(coordinator: str, processes: int, lost_after_s: float) -> subprocess.Popen[bytes]:
    """The coordination service, running.

    Raises:
        RuntimeError: it cannot listen there.
    """
    port = coordinator.rpartition(":")[2]
    times = (HEARTBEAT_S, SHUTDOWN_S, lost_after_s + GRACE_S + 3 * BEAT_S)
    program = [sys.executable, "-P", str(Path(__file__).with_name("coordinator.py"))]
    service = subprocess.Popen(
        [*program, f"[::]:{port}", str(processes), *map(str, times)], start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert service.stdout is not None
    said = service.stdout.readline().decode(errors="replace").strip()
    if said != "ready":
        raise RuntimeError(f"process 0 cannot listen at port {port}: {said or 'is it in use?'}")
    return service


def set_output_apart() -> None:
    """Have what libraries print about connections go to stderr, so that stdout holds what this program prints alone."""
    sys.stdout.flush()
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
