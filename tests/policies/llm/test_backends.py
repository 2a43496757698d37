"""Backends: what is sent and read, every way for a server to fail, and that a key goes nowhere but into its header."""

import dataclasses
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

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


def after(told, status=429, times=1):
    return lambda h, b, i: h.reply(chat(GOOD)) if i >= times else h.reply(b"slow down", status, Retry_After=told())


def in_a_second():
    return format_datetime(datetime.now(UTC) + timedelta(seconds=1.9), usegmt=True)  # whole seconds: 0.9 at least


@pytest.mark.parametrize(("told", "status", "least_s"), [("0.2", 429, 0.2), ("0.2", 503, 0.2), (in_a_second, 429, 0.8)])
def test_a_server_that_says_when_is_asked_then(told, status, least_s):
    with serving(after(told if callable(told) else lambda: told, status)) as (url, _):
        start = time.monotonic()
        (done,) = http(url, timeout_s=5).complete([ASKED])
    assert (done.text, done.calls) == (GOOD, 2)
    assert least_s <= time.monotonic() - start < 4


def test_waiting_ends_with_the_timeout():
    with serving(after(lambda: "0.1", times=3)) as (url, _):  # as often as it says so
        assert http(url, timeout_s=5).complete([ASKED])[0].calls == 4
    with serving(after(lambda: "0.4", times=9)) as (url, seen):
        (done,) = http(url, timeout_s=1).complete([ASKED])
    assert len(seen) == done.calls == 3
    assert done.error == "HTTP status 429: slow down; it asks to wait 0.4 s, too long for timeout_s"
    with serving(after(lambda: "3600")) as (url, seen):
        start = time.monotonic()
        (done,) = http(url, timeout_s=1).complete([ASKED])
    assert len(seen) == done.calls == 1
    assert time.monotonic() - start < 1
    for nothing in ("soon", "nan", "inf", "-1", "Mon, 99 Foo 2024 00:00:00 GMT"):
        with serving(after(lambda: nothing)) as (url, seen):  # noqa: B023
            assert http(url).complete([ASKED])[0].text == GOOD
    with serving(after(lambda: "0", times=99)) as (url, seen):
        http(url, timeout_s=5).complete([ASKED])
    assert len(seen) == backends.MOST_TRIES


UNSUPPORTED = "Unsupported parameter: 'max_tokens' is not supported with this model."
REASONS = {
    "OpenAI": ({"error": {"message": UNSUPPORTED, "type": "invalid_request_error"}}, UNSUPPORTED),
    "a text": ({"error": UNSUPPORTED}, UNSUPPORTED),
    "vLLM": ({"object": "error", "message": UNSUPPORTED}, UNSUPPORTED),
    "FastAPI": ({"detail": [{"loc": ["body", "max_tokens"]}]}, '[{"loc": ["body", "max_tokens"]}]'),
    "none": ({}, "{}"),
}


@pytest.mark.parametrize("how", REASONS)
def test_the_reason_of_a_refusal_is_shown(how):
    content, shown = REASONS[how]
    with serving(always(json.dumps(content).encode(), 400)) as (url, _):
        (done,) = http(url).complete([ASKED])
    help_ = " (JAXVEC_LLM_LEAVE_OUT=max_tokens leaves out what is not taken)" if "max_tokens" in shown else ""
    assert done.error == f"HTTP status 400: {shown}{help_}"


def test_a_reason_is_one_line_without_the_key():
    key = 'sk-"quoted"-0123'
    words = f"who\n\x1b[31m is {key}? " + "no " * 999
    for content in (json.dumps({"error": {"message": words}}), json.dumps([words]), words):
        with serving(always(content.encode(), 401)) as (url, _):
            (done,) = http(f"{url}?code=0123456789", api_key=key).complete([ASKED])
        assert "quoted" not in done.error
        assert "***" in done.error
        assert "\n" not in done.error
        assert "\x1b" not in done.error
        assert len(done.error) < 400
    with serving(always(b"", 502)) as (url, _):
        assert http(url).complete([ASKED])[0].error == "HTTP status 502"
    with serving(always(json.dumps({"error": {"message": "no credit"}}).encode())) as (url, _):
        assert http(url).complete([ASKED])[0].error == "a reply that is no chat completion: no credit"


def test_what_a_server_does_not_take_is_left_out(monkeypatch):
    def picky(handler, body, i):
        handler.reply(*((b"unsupported parameter: 'max_tokens'", 400) if "max_tokens" in body else (chat(GOOD), 200)))

    with serving(picky) as (url, seen):
        asker = Asker(http(url))
        with pytest.warns(
            UserWarning, match="m did not answer: HTTP status 400: unsupported parameter: 'max_tokens'"
        ) as warned:
            assert asker.matrices([ASKED.messages] * 3, 2, 2, again="") == [None] * 3
        assert len(warned) == 1
        assert "unsupported parameter" in asker.tally.report()["errors"]["http_error"]
        assert "max_tokens" in http(url).complete([ASKED])[0].error
        assert http(url, leave_out=("max_tokens",)).complete([ASKED])[0].text == GOOD
        monkeypatch.setenv(backends.LEAVE_OUT, "max_tokens, stream,temperature,seed,top_p")
        assert http(url).complete([ASKED])[0].text == GOOD
    assert set(seen[-1][1]) == {"model", "messages"}
    for bad in ("max_tokens", ("tokens",), ["seed"]):
        with pytest.raises(
            ValueError, match=r"leave_out \(JAXVEC_LLM_LEAVE_OUT\) must be a tuple of temperature, top_p"
        ):
            http("http://x/v1", leave_out=bad)


def test_a_query_in_the_base_url_is_kept():
    paths = []

    def note(handler, body, i):
        paths.append(handler.path)
        handler.reply(chat(GOOD))

    with serving(note) as (url, _):
        model = http(f"{url}/openai/?api-version=2024-10-21&code=0123456789")
        assert model.complete([ASKED])[0].text == GOOD
        model.count_tokens("0.1")
        http(f"{url}/?a=b").count_tokens("0.1")
    query = "?api-version=2024-10-21&code=0123456789"
    assert paths == [f"/v1/openai/chat/completions{query}", f"/v1/openai/tokenize{query}", "/tokenize?a=b"]
    assert "0123456789" not in repr(model)


REPLIES = [
    ("think_draft", f"<think>\nStart from [[0.9, 0.9], [0.9, 0.9]] but that overloads the server.\n</think>\n{GOOD}"),
    ("think_draft_wrong_shape", f"<think>\nExample 1 had [[0.9, 0.9, 0.9]].\n</think>\n{GOOD}"),
    ("think_symbolic", f"<think>The format is [[a, b], [c, d]].</think>\n{GOOD}"),
    ("content_parts", [{"type": "text", "text": GOOD}]),
    ("parts_joined", [{"type": "text", "text": GOOD[:9]}, "", {"type": "output_text", "text": GOOD[9:]}]),
    (
        "parts_that_think",
        [{"type": "thinking", "thinking": "[[0.9, 0.9], [0.9, 0.9]]"}, {"type": "text", "text": GOOD}],
    ),
    (
        "odd_parts",
        [None, 5, {"type": "text"}, {"type": "text", "text": 5}, {"text": "[["}, {"type": "text", "text": GOOD}],
    ),
]


@pytest.mark.parametrize(("name", "content"), REPLIES)
def test_replies_of_models_that_think_and_of_servers_that_send_parts(name, content):
    with serving(always(chat(content))) as (url, _):
        asker = Asker(http(url))
        (matrix,) = asker.matrices([ASKED.messages], 2, 2, again="")
    assert matrix.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert asker.tally.report()["n_ok"] == 1


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
    for url in (f"http://me:{KEY}@127.0.0.1/v1", f"me:{KEY}@127.0.0.1/v1", f"http://me:{KEY}@127.0.0.1:bad/v1"):
        with pytest.raises(ValueError, match="user or password") as refusal:
            http(url)
        assert KEY not in str(refusal.value)
    with pytest.raises(ValueError, match="header cannot hold") as refusal:
        http("http://127.0.0.1:1/v1", api_key=f"{KEY}\n")
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"base_url": url}
        for url in ("", None, "http://", "http://x:99999/v1", "http://x:y/v1", "http://[::1/v1", "http://x /v1", "http://x/v1\n",
                    "http://x/v1#here", "http://x/\u00e9", "http://x:0/v1", b"http://x")
    ]
    + [{"model": model} for model in (None, " ", 5)]
    + [{"api_key": key} for key in (None, 5, "\u00e9", "a\tb")]
    + [{"timeout_s": time_s} for time_s in (0, -1, float("nan"), float("inf"), None, True, "30")]
    + [{"pause_s": time_s} for time_s in (-1, float("nan"), float("inf"), None, False)]
    + [{name: n} for name in ("threads", "context") for n in (0, -1, 1.5, None, True, "8")]
    + [{"constrain": constrain} for constrain in (None, "json", 5)],
    ids=repr,
)  # fmt: skip
def test_settings_that_could_not_work_are_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"JAXVEC_LLM|timeout_s|pause_s|threads|context|constrain"):
        Http(**{"base_url": "http://127.0.0.1:1/v1", "model": "m", "api_key": ""} | bad)


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
