"""Who answers: any OpenAI-compatible endpoint, a model that is embedded, or a script.

A backend never raises for a question: what failed is in the `Completion`, and counted by whoever asks. The key of an endpoint is
sent in its header and goes nowhere else: not into a message of an error, a cache, or a `repr`.
"""

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

Messages = tuple[Mapping[str, str], ...]

BASE_URL, MODEL, API_KEY = "JAXVEC_LLM_BASE_URL", "JAXVEC_LLM_MODEL", "JAXVEC_LLM_API_KEY"
DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"
LONGEST_BYTES = 1 << 20  # of an answer; a matrix of 60 numbers takes about 1 kB
TIMEOUT, HTTP_ERROR = "timeout", "http_error"


class Request(NamedTuple):
    """A question for a matrix of numbers.

    Attributes:
        messages: role and content of each.
        n_rows, n_columns: of the matrix that is asked for.
        max_tokens: most that the answer may take.
        seed: of the sampling, where the backend samples.
    """

    messages: Messages
    n_rows: int
    n_columns: int
    max_tokens: int
    seed: int = 0


class Completion(NamedTuple):
    """What became of a question.

    Attributes:
        text: the answer, or None.
        prompt_tokens, completion_tokens: as the backend counts them; 0 where it does not.
        seconds: how long it took, tries that failed included.
        failures: "timeout" or "http_error" for each try that failed.
        error: the last failure in words.
    """

    text: str | None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    failures: tuple[str, ...] = ()
    error: str = ""

    @property
    def calls(self) -> int:
        """How many times the question was sent."""
        return len(self.failures) + (self.text is not None)


class Backend(Protocol):
    """Answers questions, several at a time, in their order."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def constrained(self) -> bool:
        """Whether answers are held to the shape of the matrix while they are written."""

    @property
    def context(self) -> int:
        """How many tokens a prompt and its answer may have together."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion for each request."""

    def count_tokens(self, text: str) -> int:
        """How many tokens a text takes."""


def sampling(request: Request) -> dict[str, Any]:
    """The fields of a body that govern sampling: as good as none, temperature 0."""
    return {"temperature": 0, "top_p": 1, "seed": request.seed, "max_tokens": request.max_tokens}


def matrix_schema(n_rows: int, n_columns: int) -> dict[str, Any]:
    """The JSON schema of `n_rows` lists of `n_columns` numbers in [0, 1]."""
    row = {
        "type": "array",
        "minItems": n_columns,
        "maxItems": n_columns,
        "items": {"type": "number", "minimum": 0, "maximum": 1},
    }
    return {"type": "array", "minItems": n_rows, "maxItems": n_rows, "items": row}


def matrix_grammar(n_rows: int, n_columns: int) -> str:
    """The same as a grammar in llama.cpp's notation (GBNF), with at most four decimals."""
    row = ' ", " '.join(["number"] * n_columns)
    return "\n".join(
        [
            'root ::= "[" ' + ' ", " '.join(["row"] * n_rows) + ' "]"',
            f'row ::= "[" {row} "]"',
            'number ::= "0." [0-9] [0-9]? [0-9]? [0-9]? | "1.0" "0"? "0"? "0"? | "0" | "1"',
        ]
    )


@dataclass(frozen=True)
class Http:
    """POST `{base_url}/chat/completions` of an OpenAI-compatible server.

    A try ends after `timeout_s` whatever the server does, and is not repeated; status 429 or 5xx is, once, after `pause_s`.

    Attributes:
        base_url: http or https; where JAXVEC_LLM_BASE_URL says by default, else http://127.0.0.1:8000/v1.
        model: by default JAXVEC_LLM_MODEL.
        api_key: by default JAXVEC_LLM_API_KEY; may be empty.
        constrain: "" for nothing, "schema" for a JSON schema as `response_format`, "gbnf" for llama.cpp's `grammar`.
        context: tokens that the model takes.
        timeout_s: of a try.
        pause_s: before a second try.
        threads: questions that are open at the same time.

    Raises:
        ValueError: a URL that is none or has a password in it, no model, a key that no header can hold, an unknown `constrain`.
    """

    base_url: str = field(default_factory=lambda: os.environ.get(BASE_URL, DEFAULT_BASE_URL))
    model: str = field(default_factory=lambda: os.environ.get(MODEL, ""))
    api_key: str = field(default_factory=lambda: os.environ.get(API_KEY, ""), repr=False, compare=False)
    constrain: str = ""
    context: int = 8192
    timeout_s: float = 30.0
    pause_s: float = 1.0
    threads: int = 8

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.username or url.password:
            raise ValueError(f"the base URL has a user or password in it; give a key in {API_KEY} instead")
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"{BASE_URL} must be like {DEFAULT_BASE_URL}, not {self.base_url!r}")
        if not self.model:
            raise ValueError(f"no model: name it in {MODEL}, as the server knows it")
        if self.api_key and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError(f"{API_KEY} has characters that a header cannot hold (a line break at its end, perhaps)")
        if self.constrain not in ("", "schema", "gbnf"):
            raise ValueError(f"constrain must be '', 'schema' or 'gbnf', not {self.constrain!r}")

    @property
    def constrained(self) -> bool:
        """Whether a schema or grammar is sent along."""
        return bool(self.constrain)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """One completion for each request, `threads` at a time."""
        if not requests:
            return []
        with ThreadPoolExecutor(min(self.threads, len(requests))) as pool:
            return list(pool.map(self._complete, requests))

    def count_tokens(self, text: str) -> int:
        """By the server's `/tokenize` where it has llama.cpp's; else half its characters, about right for tables of digits."""
        root = self.base_url.rstrip("/").removesuffix("/v1")
        with suppress(OSError, ValueError, LookupError, TypeError, RecursionError, http.client.HTTPException):
            status, reply = self._post(f"{root}/tokenize", {"content": text})
            if status == 200:
                return len(json.loads(reply)["tokens"])
        return len(text) // 2

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        body = {"model": self.model, "messages": list(request.messages), **sampling(request), "stream": False}
        if self.constrain == "schema":
            schema = {"name": "action", "strict": True, "schema": matrix_schema(request.n_rows, request.n_columns)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.constrain == "gbnf":
            body["grammar"] = matrix_grammar(request.n_rows, request.n_columns)
        return body

    def _complete(self, request: Request) -> Completion:
        start, failures = time.perf_counter(), []
        while True:
            done, kind, again = self._try(request)
            if kind:
                failures.append(kind)
            if not (again and len(failures) < 2):
                return done._replace(seconds=time.perf_counter() - start, failures=tuple(failures))
            time.sleep(self.pause_s)

    def _try(self, request: Request) -> tuple[Completion, str, bool]:
        """The completion, the kind of failure, and whether another try might do."""
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        try:
            status, reply = self._post(url, self.body(request))
        except TimeoutError:
            return Completion(None, error=f"no answer within {self.timeout_s:g} s"), TIMEOUT, False
        except (OSError, http.client.HTTPException) as error:  # refused, reset, cut off, no HTTP at all
            return Completion(None, error=f"{type(error).__name__} at the server"), HTTP_ERROR, False
        if status != 200:
            return Completion(None, error=f"HTTP status {status}"), HTTP_ERROR, status == 429 or status >= 500
        if len(reply) > LONGEST_BYTES:
            return Completion(None, error=f"an answer of more than {LONGEST_BYTES} bytes"), HTTP_ERROR, False
        completion = _read(reply)
        if self.api_key and completion.text:  # a server may repeat what it was sent
            completion = completion._replace(text=completion.text.replace(self.api_key, "***"))
        return completion, "" if completion.text is not None else HTTP_ERROR, False

    def _post(self, url: str, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and the first bytes of the reply.

        Raises:
            TimeoutError: after `timeout_s` in all, however slowly the server goes on.
            OSError, http.client.HTTPException: as the library does.
        """
        where = urlsplit(url)
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = kind(where.hostname or "", where.port, timeout=self.timeout_s)
        expired = threading.Event()
        opened: list[socket.socket] = []

        def expire() -> None:
            expired.set()
            for sock in opened:
                _cut(sock)

        timer = threading.Timer(self.timeout_s, expire)
        timer.daemon = True
        timer.start()
        try:
            connection.connect()
            opened.append(connection.sock)  # a connection forgets its socket once a reply has begun
            if expired.is_set():
                raise TimeoutError
            headers = {"Content-Type": "application/json", "Connection": "close"}
            if self.api_key:
                headers["Authorization"] = f"Bearer {self.api_key}"
            connection.request("POST", where.path, json.dumps(body).encode(), headers)
            reply = connection.getresponse()
            status, content = reply.status, reply.read(LONGEST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            if expired.is_set():
                raise TimeoutError from None
            raise error
        finally:
            timer.cancel()
            connection.close()
        if expired.is_set():
            raise TimeoutError
        return status, content


def _cut(sock: socket.socket) -> None:
    """Wake whoever waits for the socket."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _read(reply: bytes) -> Completion:
    """A chat completion, or one without a text where the reply is none."""
    try:
        reply_json = json.loads(reply)
        text = reply_json["choices"][0]["message"]["content"]
        usage = reply_json.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Completion(None, error="a reply that is no chat completion")
    prompt, completion = (n if isinstance(n, int) and not isinstance(n, bool) else 0 for n in counts)
    return Completion(text if isinstance(text, str) else "", prompt, completion)


@dataclass
class Scripted:
    """Answers from a list, over and over, or from a function; "timeout" and "http_error" as a `Completion` without text.

    Attributes:
        answers: texts or completions in turn, or what makes one of a request.
        requests: every request so far.
    """

    answers: Sequence[str | Completion] | Callable[[Request], str | Completion]
    model: str = "scripted"
    constrained: bool = False
    context: int = 8192
    requests: list[Request] = field(default_factory=list)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """The next answers."""
        return [self._answer(request) for request in requests]

    def count_tokens(self, text: str) -> int:
        """Half its characters."""
        return len(text) // 2

    def _answer(self, request: Request) -> Completion:
        i = len(self.requests)
        self.requests.append(request)
        answer = self.answers(request) if callable(self.answers) else self.answers[i % len(self.answers)]
        return answer if isinstance(answer, Completion) else Completion(answer)


FAILED = {kind: Completion(None, failures=(kind,), error=f"{kind}, as scripted") for kind in (TIMEOUT, HTTP_ERROR)}
