"""The coordination service of `jax.distributed`, run as a program of its own by `jaxvec.core.hosts`.

JAX keeps it in process 0, and all others abort the moment that process dies. Here it outlives process 0 for a while, so that the
others can say what has happened and end. It says `ready` on its output, or what is wrong, and ends when told `bye`, or a while
after its input was closed because process 0 is gone. It is run by its path and imports nothing of the package: it starts at once.
"""

import signal
import sys
import time


def main(address: str, processes: str, heartbeat_s: str, shutdown_s: str, stay_s: str) -> None:
    """Serve until process 0 is gone.

    Args:
        address: HOST:PORT to listen at.
        processes: how many there are.
        heartbeat_s: seconds without a sign of life after which a process is lost to JAX [s].
        shutdown_s: seconds for which one waits for the others when it ends [s].
        stay_s: seconds to stay where process 0 has not said bye [s].
    """
    for signum in (signal.SIGINT, signal.SIGTERM):  # they come to all processes of a job; this one is to be the last
        signal.signal(signum, signal.SIG_IGN)
    from jaxlib import _jax

    times = {"heartbeat_timeout": int(heartbeat_s), "shutdown_timeout": int(shutdown_s)}
    try:
        service = _jax.get_distributed_runtime_service(address, int(processes), **times)
    except Exception as error:
        print(" ".join(str(error).split()), flush=True)
        return
    print("ready", flush=True)
    if "bye" not in sys.stdin.read():
        time.sleep(float(stay_s))
    service.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
