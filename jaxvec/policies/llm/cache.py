"""Answers that were given before, in a file, so that a figure is drawn again without a model."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from jaxvec.core.files import write_text
from jaxvec.policies.llm.backends import HTTP_ERROR, TIMEOUT, Backend, Completion, Request, sampling
from jaxvec.policies.llm.parse import STATUSES

MODES = ("use", "refresh", "replay")
_NO_PARSER = ("tokens", TIMEOUT, HTTP_ERROR)  # statuses beside the parser's


class CacheMissError(LookupError):
    """A replay met a question that was never answered."""


def key_of(backend: Backend, request: Request) -> str:
    """SHA-256 of all that an answer depends on: model, messages, sampling as sent, and the shape if answers are held to it."""
    shape = [request.n_rows, request.n_columns] if backend.constrained else None
    question = {
        "model": backend.model,
        "messages": [dict(message) for message in request.messages],
        **sampling(request, getattr(backend, "leave_out", ())),
        "constrained": shape,
    }
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()


class Cache:
    """A file of JSON lines, one for each question: its key, the completion, and what the parser said of it.

    Args:
        path: the file; made by the first `save`. None: remember in memory only.
        mode: "use" what is there and ask for the rest; "refresh": ask for everything; "replay": what is not there is an error.
            A question that once failed is asked again, except in a replay, where it fails again.
    Raises:
        ValueError: an unknown mode, a folder in the file's place, or a line of the file that is no answer.
        FileNotFoundError: a replay without a file.
    """

    def __init__(self, path: Path | str | None = None, mode: str = "use"):
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r} of a cache. Known: {', '.join(MODES)}")
        self.path, self.mode = Path(path) if path is not None else None, mode
        if self.path is not None and self.path.is_dir():
            raise ValueError(f"{self.path} is a folder; name a file of answers in it")
        if mode == "replay" and not (self.path and self.path.is_file()):
            raise FileNotFoundError(f"nothing to replay: {self.path} is not there")
        self._entries = self._read()
        self._fresh: dict[str, dict[str, Any]] = {}

    def get(self, backend: Backend, request: Request) -> Completion | None:
        """The answer if it is known, or None if it has to be asked for.

        Raises:
            CacheMissError: in a replay, instead of None.
        """
        entry = self._fresh.get(key_of(backend, request)) if self.mode == "refresh" else None
        if self.mode != "refresh":
            entry = self._entries.get(key_of(backend, request))
        if self.mode == "replay" and entry is None:
            raise CacheMissError(
                f"{self.path} has no answer of {backend.model} to this question: replay with its settings"
            )
        if entry is None or (entry["text"] is None and self.mode != "replay"):
            return None
        values = {name: entry[name] for name in Completion._fields}
        return Completion(**values | {"failures": tuple(values["failures"])})

    def put(self, backend: Backend, request: Request, completion: Completion, status: str) -> None:
        """Remember an answer, and its status."""
        entry = completion._asdict() | {"failures": list(completion.failures), "status": status}
        self._fresh[key_of(backend, request)] = self._entries[key_of(backend, request)] = entry

    def save(self) -> None:
        """Write what is new, beside whatever another process has written meanwhile."""
        if self.path is None or not self._fresh:
            return
        self._entries = self._read() | self._fresh
        lines = (json.dumps({"key": key, **entry}, allow_nan=False) for key, entry in self._entries.items())
        write_text(self.path, "\n".join(lines) + "\n")

    def _read(self) -> dict[str, dict[str, Any]]:
        if self.path is None or not self.path.is_file():
            return {}
        entries = {}
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            try:
                entry = json.loads(line)
                key = entry.pop("key")
                whole = _is_answer(key, entry)
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                whole = False
            if not whole:
                raise ValueError(
                    f"{self.path}, line {number}: no answer of a language model; remove the line or the file"
                )
            entries[key] = entry
        return entries


def _is_answer(key: Any, entry: dict[str, Any]) -> bool:
    """Whether a line holds what `put` remembers, of these kinds and within their ranges."""
    text, seconds, failures = entry["text"], entry["seconds"], entry["failures"]
    tokens = [entry["prompt_tokens"], entry["completion_tokens"]]
    return (
        set(entry) == {*Completion._fields, "status"}
        and isinstance(key, str)
        and (text is None or isinstance(text, str))
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in tokens)
        and isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 <= seconds < math.inf
        and isinstance(failures, list)
        and all(kind in (TIMEOUT, HTTP_ERROR) for kind in failures)
        and (text is not None or bool(failures))
        and isinstance(entry["error"], str)
        and entry["status"] in (*STATUSES, *_NO_PARSER)
    )
