"""Who answers: any OpenAI-compatible endpoint, a model that is embedded, or a script.

A backend never raises for a question: what failed is in the `Completion`, and counted by whoever asks. The key of an endpoint is
sent in its header and goes nowhere else: not into a message of an error, a cache, or a `repr`.
"""

import http.client
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from jaxvec.policies.llm.post import LONGEST_BYTES, LONGEST_REASON, Reply, post, reason, seconds_told

Messages = tuple[Mapping[str, str], ...]

BASE_URL, MODEL, API_KEY = "JAXVEC_LLM_BASE_URL", "JAXVEC_LLM_MODEL", "JAXVEC_LLM_API_KEY"
LEAVE_OUT = "JAXVEC_LLM_LEAVE_OUT"
DEFAULT_BASE_URL = "http://127.0.0.1:8000/v1"
PARAMETERS = ("temperature", "top_p", "seed", "max_tokens", "stream")  # of a body, which not every server takes
MOST_TRIES = 8  # of a question, however often the server says when to try again
LEAST_SECRET = 8  # characters of a value in the base URL's query that is taken for a key
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


def sampling(request: Request, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a body that govern sampling: as good as none, temperature 0; without those that are left out."""
    fields = {"temperature": 0, "top_p": 1, "seed": request.seed, "max_tokens": request.max_tokens}
    return {name: value for name, value in fields.items() if name not in leave_out}


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


class _Tried(NamedTuple):
    """What one try came to: the completion, the kind of failure, whether another may do, and how long the server says to wait."""

    completion: Completion
    kind: str = ""
    again: bool = False
    told_s: float | None = None


@dataclass(frozen=True, repr=False)
class Http:
    """POST `{base_url}/chat/completions` of an OpenAI-compatible server.

    A try ends after `timeout_s` whatever the server does, and is not repeated. Status 429 or 5xx is: where the reply says when
    (`Retry-After`), then, as long as all waiting together stays within `timeout_s`; else once, after `pause_s`.

    Attributes:
        base_url: http or https; where JAXVEC_LLM_BASE_URL says by default, else http://127.0.0.1:8000/v1. A query is kept.
        model: by default JAXVEC_LLM_MODEL.
        api_key: by default JAXVEC_LLM_API_KEY; may be empty.
        constrain: "" for nothing, "schema" for a JSON schema as `response_format`, "gbnf" for llama.cpp's `grammar`.
        context: tokens that the model takes.
        timeout_s: of a try [s].
        pause_s: before another try, at least [s].
        threads: questions that are open at the same time.
        leave_out: those of `PARAMETERS` that the server does not take, which are not sent; by default those that
            JAXVEC_LLM_LEAVE_OUT names, with commas between.

    Raises:
        ValueError: a URL that is none, has a password or a fragment in it; no model; a key that no header can hold; an unknown
            `constrain` or parameter to leave out; a time, number of tokens or threads out of range.
    """

    base_url: str = field(default_factory=lambda: os.environ.get(BASE_URL, DEFAULT_BASE_URL))
    model: str = field(default_factory=lambda: os.environ.get(MODEL, ""))
    api_key: str = field(default_factory=lambda: os.environ.get(API_KEY, ""), compare=False)
    constrain: str = ""
    context: int = 8192
    timeout_s: float = 30.0
    pause_s: float = 1.0
    threads: int = 8
    leave_out: tuple[str, ...] = field(
        default_factory=lambda: tuple(name.strip() for name in os.environ.get(LEAVE_OUT, "").split(",") if name.strip())
    )

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        if not (isinstance(self.model, str) and self.model.strip()):
            raise ValueError(f"no model: name it in {MODEL}, as the server knows it")
        if not (isinstance(self.api_key, str) and self.api_key.isascii() and self.api_key.isprintable()):
            raise ValueError(f"{API_KEY} has characters that a header cannot hold (a line break at its end, perhaps)")
        if self.constrain not in ("", "schema", "gbnf"):
            raise ValueError(f"constrain must be '', 'schema' or 'gbnf', not {self.constrain!r}")
        for name, least, what in (("context", 1, "tokens"), ("threads", 1, "questions")):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of {what}, at least {least}, not {value!r}")
        for name, above in (("timeout_s", True), ("pause_s", False)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (above and not value):
                raise ValueError(
                    f"{name} must be a number of seconds, {'above' if above else 'at least'} 0, not {value!r}"
                )
        if not (isinstance(self.leave_out, tuple) and all(name in PARAMETERS for name in self.leave_out)):
            raise ValueError(
                f"leave_out ({LEAVE_OUT}) must be a tuple of {', '.join(PARAMETERS)}, not {self.leave_out!r}"
            )

    def __repr__(self) -> str:
        """Without the key, and without the query of the URL, which may hold another."""
        where = urlunsplit(urlsplit(self.base_url)._replace(query=""))
        return f"{type(self).__name__}(base_url={where!r}, model={self.model!r}, constrain={self.constrain!r})"

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
        root = urlsplit(self.base_url).path.rstrip("/").removesuffix("/v1")
        with suppress(OSError, ValueError, LookupError, TypeError, RecursionError, http.client.HTTPException):
            reply = self._post(f"{root}/tokenize", {"content": text})
            if reply.status == 200:
                return len(json.loads(reply.content)["tokens"])
        return len(text) // 2

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent."""
        body = {"model": self.model, "messages": list(request.messages), **sampling(request, self.leave_out)}
        if "stream" not in self.leave_out:
            body["stream"] = False
        if self.constrain == "schema":
            schema = {"name": "action", "strict": True, "schema": matrix_schema(request.n_rows, request.n_columns)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.constrain == "gbnf":
            body["grammar"] = matrix_grammar(request.n_rows, request.n_columns)
        return body

    def _complete(self, request: Request) -> Completion:
        start, waited_s, failures = time.perf_counter(), 0.0, []
        while True:
            tried = self._try(request)
            done = tried.completion
            if tried.kind:
                failures.append(tried.kind)
            pause_s = max(self.pause_s, tried.told_s or 0.0)
            again = tried.again and len(failures) < (2 if tried.told_s is None else MOST_TRIES)
            if again and tried.told_s is not None and waited_s + pause_s > self.timeout_s:
                done, again = (
                    done._replace(error=f"{done.error}; it asks to wait {tried.told_s:g} s, too long for timeout_s"),
                    False,
                )
            if not again:
                return done._replace(seconds=time.perf_counter() - start, failures=tuple(failures))
            time.sleep(pause_s)
            waited_s += pause_s

    def _try(self, request: Request) -> _Tried:
        path = urlsplit(self.base_url).path.rstrip("/")
        try:
            reply = self._post(f"{path}/chat/completions", self.body(request))
        except TimeoutError:
            return _Tried(Completion(None, error=f"no answer within {self.timeout_s:g} s"), TIMEOUT)
        except (OSError, http.client.HTTPException) as error:  # refused, reset, cut off, no HTTP at all
            return _Tried(Completion(None, error=f"{type(error).__name__} at the server"), HTTP_ERROR)
        if reply.status != 200:
            again = reply.status == 429 or reply.status >= 500
            refusal = Completion(None, error=self._refusal(f"HTTP status {reply.status}", reply))
            return _Tried(refusal, HTTP_ERROR, again, seconds_told(reply.retry_after))
        if len(reply.content) > LONGEST_BYTES:
            return _Tried(Completion(None, error=f"an answer of more than {LONGEST_BYTES} bytes"), HTTP_ERROR)
        completion = _read(reply.content)
        if completion is None:
            return _Tried(
                Completion(None, error=self._refusal("a reply that is no chat completion", reply)), HTTP_ERROR
            )
        return _Tried(completion._replace(text=self._redacted(completion.text or "")))

    def _refusal(self, what: str, reply: Reply) -> str:
        """What failed, why by the server's words, and which setting may help."""
        why = self._redacted(reason(reply.content))
        shown = why if len(why) <= LONGEST_REASON else why[:LONGEST_REASON] + "..."
        named = (
            [name for name in PARAMETERS if name in why and name not in self.leave_out] if reply.status == 400 else []
        )
        how = f" ({LEAVE_OUT}={','.join(named)} leaves out what is not taken)" if named else ""
        return (f"{what}: {shown}" if shown else what) + how

    def _redacted(self, text: str) -> str:
        """A text of the server, which may repeat what it was sent, without the key."""
        values = [value for _, value in parse_qsl(urlsplit(self.base_url).query) if len(value) >= LEAST_SECRET]
        for secret in filter(None, (self.api_key, *values)):
            for form in (secret, json.dumps(secret)[1:-1]):
                text = text.replace(form, "***")
        return text

    def _post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """To a path of the server, with the base URL's query; raises what `post` does."""
        url = urlunsplit(urlsplit(self.base_url)._replace(path=path))
        return post(url, body, {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}, self.timeout_s)


def _check_url(base_url: str) -> None:
    """Refuse what is no base URL, without repeating what may be a password."""
    must = f"{BASE_URL} must be like {DEFAULT_BASE_URL}"
    if (
        not isinstance(base_url, str)
        or not base_url.isascii()
        or any(c.isspace() or not c.isprintable() for c in base_url)
    ):
        raise ValueError(f"{must}, a text without spaces and of ASCII")
    if "@" in base_url.partition("?")[0]:
        raise ValueError(f"the base URL has a user or password in it; give a key in {API_KEY} instead")
    try:
        url = urlsplit(base_url)
        whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and not url.fragment
    except ValueError:  # a port or an address that is none
        whole = False
    if not whole:
        raise ValueError(f"{must}, not {base_url.partition('?')[0]!r}")


def _read(content: bytes) -> Completion | None:
    """A chat completion, or None where the reply is none."""
    try:
        reply_json = json.loads(content)
        text = _text_of(reply_json["choices"][0]["message"]["content"])
        usage = reply_json.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    prompt, completion = (n if isinstance(n, int) and not isinstance(n, bool) and n >= 0 else 0 for n in counts)
    return Completion(text, prompt, completion)


def _text_of(content: Any) -> str:
    """The text of a message: itself, or its parts that are text, joined; those that think aloud or call tools are none."""
    if isinstance(content, list):
        parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
        texts = [
            part.get("text") for part in parts if isinstance(part, dict) and part.get("type") in ("text", "output_text")
        ]
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


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
