"""From a question to a matrix, or to the knowledge that there is none: cache, model, parser, one more try; all of it counted."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxvec.policies.llm.backends import HTTP_ERROR, TIMEOUT, Backend, Completion, Messages, Request
from jaxvec.policies.llm.cache import Cache
from jaxvec.policies.llm.parse import STATUSES, parse_action_matrix

LABELLED, HIDDEN = 0.05, 0.5
"""Parts of decisions that fell back, above which a run is labelled, or is no run of the model."""
COUNTED = (
    "n_decisions",
    "n_calls",
    *(f"n_{status}" for status in STATUSES),
    "n_timeout",
    "n_http_error",
    "n_retry",
    "n_fallback",
    "n_rule",
    "n_cache_hit",
    "prompt_tokens",
    "completion_tokens",
)


@dataclass
class Tally:
    """What happened.

    Every decision ends in an answer that can be used (`n_ok`, `n_repaired`) or in a fallback, so these sum to `n_decisions`;
    `n_ok` to `n_bad_choice` count answers, those to second questions included. `n_calls` are questions that were sent, again
    after an error or a bad answer (both in `n_retry`) too; `n_cache_hit` those that were not, as the answer was known.
    `n_rule` are those of the fallbacks for which there was no case, so that a rule decided. Tokens are those of calls and hits.

    Attributes:
        count: by the names of `COUNTED`.
        seconds: per decision that was asked for, of all its calls together; those of hits as they were then.
        errors: the last failure in words, by kind; each that is new and left a question without an answer is warned of.
    """

    count: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Every counter, the median and 95 % quantile of the seconds, failures in words, and the label.

        Latencies are NaN if nothing was asked.
        """
        p50, p95 = np.quantile(self.seconds, (0.5, 0.95)) if self.seconds else (np.nan, np.nan)
        times = {"latency_p50_s": float(p50), "latency_p95_s": float(p95)}
        return {name: self.count[name] for name in COUNTED} | times | {"errors": dict(self.errors), "label": self.label}

    @property
    def label(self) -> str:
        """What to call it in a figure: "LLM"; with more than 5 % of fallbacks "LLM+fallback"; with more than 50 % "fallback"."""
        part = self.count["n_fallback"] / max(1, self.count["n_decisions"])
        return "fallback" if part > HIDDEN else "LLM+fallback" if part > LABELLED else "LLM"


@dataclass
class Asker:
    """Asks a backend for matrices.

    Attributes:
        backend: who answers.
        cache: what is known already, and will be.
        tally: of everything that was asked.
    """

    backend: Backend
    cache: Cache = field(default_factory=Cache)
    tally: Tally = field(default_factory=Tally)

    def matrices(
        self, questions: Sequence[Messages], n_rows: int, n_columns: int, *, again: str
    ) -> list[np.ndarray | None]:
        """A matrix in [0, 1] for each question, or None where the caller has to fall back.

        Args:
            questions: all that are open now; they are asked together.
            n_rows, n_columns: of every matrix.
            again: what is added to a question whose answer was not usable, for its only second try.
        Raises:
            CacheMissError: in a replay.
        """
        self.tally.count["n_decisions"] += len(questions)
        most = 64 + 8 * n_rows * n_columns
        requests = [Request(tuple(question), n_rows, n_columns, most) for question in questions]
        matrices, seconds, failed = self._once(requests)
        bad = [i for i, matrix in enumerate(matrices) if matrix is None and not failed[i]]
        self.tally.count["n_retry"] += len(bad)
        second = [requests[i]._replace(messages=_adding(requests[i].messages, again), seed=1) for i in bad]
        for i, matrix, more_s in zip(bad, *self._once(second)[:2], strict=True):
            matrices[i] = matrix
            seconds[i] += more_s
        self.tally.seconds += seconds
        self.tally.count["n_fallback"] += sum(matrix is None for matrix in matrices)
        self.cache.save()
        return matrices

    def count_tokens(self, text: str) -> int:
        """By the backend, and remembered, so that a replay needs nobody.

        Raises:
            CacheMissError: in a replay.
        """
        request = Request(({"role": "tokens", "content": text},), 0, 0, 0)
        known = self.cache.get(self.backend, request)
        if known is None:
            known = Completion("", prompt_tokens=self.backend.count_tokens(text))
            self.cache.put(self.backend, request, known, "tokens")
        return known.prompt_tokens

    def _once(self, requests: Sequence[Request]) -> tuple[list[np.ndarray | None], list[float], list[bool]]:
        """Matrices, seconds, and whether there was no answer at all."""
        known = [self.cache.get(self.backend, request) for request in requests]
        unknown = [i for i, completion in enumerate(known) if completion is None]
        self.tally.count["n_cache_hit"] += len(requests) - len(unknown)
        for i, completion in zip(unknown, self.backend.complete([requests[i] for i in unknown]), strict=True):
            known[i] = completion
            self.tally.count["n_calls"] += completion.calls
            self.tally.count["n_retry"] += completion.calls - 1
        matrices, done = [], [c for c in known if c is not None]
        for i, (request, completion) in enumerate(zip(requests, done, strict=True)):
            status, matrix = self._read(request, completion)
            if i in unknown:
                self.cache.put(self.backend, request, completion, status)
            matrices.append(matrix)
        return matrices, [c.seconds for c in done], [c.text is None for c in done]

    def _read(self, request: Request, completion: Completion) -> tuple[str, np.ndarray | None]:
        """Parse and count."""
        count = self.tally.count
        count["prompt_tokens"] += completion.prompt_tokens
        count["completion_tokens"] += completion.completion_tokens
        for kind in completion.failures:
            count["n_timeout" if kind == TIMEOUT else "n_http_error"] += 1
            words = completion.error or "answered when it was asked again"
            if completion.text is None and words != self.tally.errors.get(kind):
                warnings.warn(f"{self.backend.model} did not answer: {words}", stacklevel=5)
            self.tally.errors[kind] = words
        if completion.text is None:
            return (completion.failures or (HTTP_ERROR,))[-1], None
        status, matrix = parse_action_matrix(completion.text, request.n_rows, request.n_columns)
        count[f"n_{status}"] += 1
        return status, matrix


def _adding(messages: Messages, line: str) -> Messages:
    last = messages[-1]
    return (*messages[:-1], {**last, "content": f"{last['content']}\n{line}"})
