"""Backends: what is sent and read, every way for a server to fail, and that a key goes nowhere but into its header."""

import dataclasses
import json
import time

import pytest
from policies.llm.stub import chat, serving

from jaxvec.policies.llm import backends
from jaxvec.policies.llm.ask import Asker
from jaxvec.policies.llm.backends import Http, Request, matrix_grammar, matrix_schema
from jaxvec.policies.llm.cache import Cache

GOOD = "[[0.1, 0.2], [0.3, 0.4]]"
KEY = "sk-very-secret-0123"
ASKED = Request(({"role": "user", "content": "two by two?"},), 2, 2, 96)


def http(url, **more):
    return Http(**{"base_url": url, "model": "m", "api_key": "", "timeout_s": 0.3, "pause_s": 0.01} | more)


def always(content, status=200):
    return lambda handler, body, i: handler.reply(content, status)


def test_what_is_sent_and_what_is_read():
    with serving(always(chat(GOOD))) as (url, seen):
        (done,) = http(url, api_key=KEY).complete([ASKED])
    assert (done.text, done.prompt_tokens, done.completion_tokens) == (GOOD, 7, 3)
    assert (done.failures, done.calls) == ((), 1)
    ((headers, body),) = seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m",
        "messages": list(ASKED.messages),
        "temperature": 0,
        "top_p": 1,
        "seed": 0,
        "max_tokens": 96,
        "stream": False,
    }


def test_answers_are_in_the_order_of_the_questions_and_no_more_than_so_many_are_open():
    open_now, most = [], []

    def slow_first(handler, body, i):
        open_now.append(i)
        most.append(len(open_now))
        n = int(body["messages"][0]["content"])
        time.sleep(0.06 if n % 2 == 0 else 0.02)
        open_now.remove(i)
        handler.reply(chat(str(n)))

    questions = [ASKED._replace(messages=({"role": "user", "content": str(n)},)) for n in range(7)]
    with serving(slow_first) as (url, _):
        done = http(url, threads=3).complete(questions)
    assert [x.text for x in done] == [str(n) for n in range(7)]
    assert max(most) <= 3


@pytest.mark.parametrize("constrain", ["schema", "gbnf"])
def test_the_shape_is_sent_along(constrain):
    with serving(always(chat(GOOD))) as (url, seen):
        http(url, constrain=constrain).complete([ASKED])
    body = seen[0][1]
    if constrain == "schema":
        assert body["response_format"]["json_schema"]["schema"] == matrix_schema(2, 2)
    else:
        assert body["grammar"] == matrix_grammar(2, 2)


def never(handler, body, i):
    handler.stopping.wait(5)


def drip(handler, body, i):
    """A byte now and then: no read ever waits for long."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.stopping.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def hang_up(handler, body, i):
    handler.connection.close()


def promise_more(handler, body, i):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


FAILURES = {
    "silent": (never, "n_timeout", 1),
    "dripping": (drip, "n_timeout", 1),
    "hangs up": (hang_up, "n_http_error", 1),
    "half a reply": (promise_more, "n_http_error", 1),
    "no HTTP": (lambda h, b, i: h.wfile.write(b"garbage\r\n\r\n"), "n_http_error", 1),
    "no JSON": (always(b"<html>"), "n_http_error", 1),
    "no completion": (always(b'{"choices": []}'), "n_http_error", 1),
    "a list": (always(b"[1, 2]"), "n_http_error", 1),
    "deep": (always(b"[" * 100_000), "n_http_error", 1),
    "huge": (always(chat("1" * (backends.LONGEST_BYTES + 1))), "n_http_error", 1),
    "refuses": (always(b"who are you", 401), "n_http_error", 1),
    "redirects": (always(b"", 307), "n_http_error", 1),
    "busy": (always(b"", 429), "n_http_error", 2),
    "broken": (always(b"", 503), "n_http_error", 2),
    "prose": (always(chat("I cannot.")), "n_bad_json", 2),
    "no text": (always(chat(None)), "n_bad_json", 2),
    "long prose": (always(chat("[" * 500_000)), "n_bad_json", 2),
    "another shape": (always(chat("[[0.1]]")), "n_bad_shape", 2),
    "no number": (always(chat("[[0.1, NaN], [0.3, 0.4]]")), "n_bad_range", 2),
}


@pytest.mark.parametrize("how", FAILURES)
def test_every_failure_is_counted_and_none_is_raised(how):
    behave, counter, calls = FAILURES[how]
    with serving(behave) as (url, seen):
        asker, start = Asker(http(url)), time.monotonic()
        assert asker.matrices([ASKED.messages], 2, 2, again="Please.") == [None]
        assert time.monotonic() - start < 5  # and not as long as the server likes
    report = asker.tally.report()
    assert len(seen) == report["n_calls"] == calls
    assert report[counter] == calls
    assert report["n_retry"] == calls - 1
    assert report["n_decisions"] == report["n_fallback"] == 1
    assert (
        sum(report[name] for name in ("n_timeout", "n_http_error", "n_bad_json", "n_bad_shape", "n_bad_range")) == calls
    )


def test_nobody_listens():
    with serving(never) as (url, _):
        pass
    asker = Asker(http(url))
    assert asker.matrices([ASKED.messages], 2, 2, again="") == [None]
    assert asker.tally.report()["n_http_error"] == 1


def test_a_busy_server_may_answer_the_second_time():
    with serving(lambda h, b, i: h.reply(chat(GOOD), 200 if i else 429)) as (url, _):
        asker = Asker(http(url))
        (matrix,) = asker.matrices([ASKED.messages], 2, 2, again="")
    assert matrix[1, 1] == 0.4
    report = asker.tally.report()
    assert [report[x] for x in ("n_calls", "n_http_error", "n_retry", "n_ok", "n_fallback")] == [2, 1, 1, 1, 0]


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_key_is_written_nowhere(status, tmp_path, capfd, caplog, monkeypatch):
    def echo(handler, body, i):  # a server that repeats all that it is told
        handler.reply(chat(f"{handler.headers['Authorization']} {GOOD}"), status)

    monkeypatch.setenv(backends.API_KEY, KEY)
    with serving(echo) as (url, seen), caplog.at_level(0):
        model = Http(base_url=url, model="m", timeout_s=1, pause_s=0.01)
        asker = Asker(model, Cache(tmp_path / "cache.jsonl"))
        asker.matrices([ASKED.messages], 2, 2, again="")
    assert KEY in seen[0][0]["Authorization"]  # it was sent
    everything = [
        repr(model),
        str(model),
        repr(asker),
        json.dumps(asker.tally.report()),
        *capfd.readouterr(),
        caplog.text,
    ]
    everything += [path.read_text() for path in tmp_path.iterdir()]
    assert len(everything) > 6
    assert not [text for text in everything if KEY in text]


def test_bad_settings_are_refused_without_repeating_the_key(monkeypatch):
    for bad in ({"base_url": "localhost:8000"}, {"base_url": "ftp://x"}, {"model": ""}, {"constrain": "xml"}):
        with pytest.raises(ValueError, match=r"JAXVEC_LLM|constrain"):
            dataclasses.replace(http("http://127.0.0.1:1/v1"), **bad)
    with pytest.raises(ValueError, match="user or password") as refusal:
        http(f"http://me:{KEY}@127.0.0.1/v1")
    assert KEY not in str(refusal.value)
    with pytest.raises(ValueError, match="header cannot hold") as refusal:
        http("http://127.0.0.1:1/v1", api_key=f"{KEY}\n")
    assert KEY not in str(refusal.value)


def test_the_environment_configures(monkeypatch):
    monkeypatch.delenv(backends.BASE_URL, raising=False)
    monkeypatch.setenv(backends.MODEL, "llama")
    assert (Http().base_url, Http().model) == (backends.DEFAULT_BASE_URL, "llama")
    monkeypatch.setenv(backends.BASE_URL, "https://example.org/v1")
    assert Http().base_url == "https://example.org/v1"


def test_tokens_are_counted_by_the_server_or_guessed():
    with serving(lambda h, b, i: h.reply(json.dumps({"tokens": [1, 2, 3]}).encode())) as (url, _):
        assert http(url).count_tokens("0.123") == 3
    with serving(always(b"", 404)) as (url, _):
        assert http(url).count_tokens("0.12") == 2
