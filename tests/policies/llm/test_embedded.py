"""An embedded model: what is said where it is missing, and the real one over its own server, where it is installed."""

import dataclasses

import pytest

from jaxvec.policies.llm import embedded
from jaxvec.policies.llm.backends import Request
from jaxvec.policies.llm.embedded import GGUF, Embedded, missing, weights
from jaxvec.policies.llm.parse import parse_action_matrix

installed = pytest.mark.skipif(bool(missing()), reason=missing())
ASKED = Request(({"role": "user", "content": "Two rows of three numbers:"},), 2, 3, 64)


def test_what_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.delenv(GGUF, raising=False)
    assert weights() is None
    with pytest.raises(ImportError, match=r"xllamacpp is not installed.*jaxvec\[llm\]"):
        Embedded.load()
    monkeypatch.setattr(embedded, "find_spec", lambda name: object() if name == "xllamacpp" else None)
    assert missing().startswith("no weights")
    monkeypatch.setenv(GGUF, str(tmp_path / "model.gguf"))
    assert weights() == tmp_path / "model.gguf"
    assert missing() == f"{tmp_path / 'model.gguf'}: no such file ({GGUF})"


@installed
@pytest.mark.slow
def test_the_real_one():
    model = Embedded.load(context=512, cpu_threads=1, timeout_s=100)
    assert model.count_tokens("[[0.123, 0.456]]") > 5
    (held,) = dataclasses.replace(model, constrain="gbnf").complete([ASKED])
    assert parse_action_matrix(held.text, 2, 3)[0] == "ok"
    (free,) = model.complete([ASKED])
    assert free.failures == held.failures == ()
    assert 0 < free.completion_tokens <= ASKED.max_tokens
    (late,) = dataclasses.replace(model, timeout_s=0.05).complete([ASKED])
    assert late.failures == ("timeout",)
    (full,) = model.complete([ASKED._replace(messages=({"role": "user", "content": "0.123, " * 600},))])
    assert full.failures == ("http_error",)  # more than its context holds
    assert full.error.startswith("HTTP status 400: ")
