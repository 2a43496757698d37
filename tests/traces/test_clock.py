"""Times as text, by hand, round trips, and any text."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxvec.traces import clock


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12.5", 12.5), (" -3 ", -3), ("1.7e9", 1.7e9), ("00:00:01", 1), ("01:02:03.25", 3723.25), ("2:03:04:05", 183845),
        ("30:00:00", 108000), ("-00:01:00", -60), ("1970-01-01 00:00", 0), ("1970-01-01T00:00:01.5Z", 1.5),
        ("1970-01-01T01:00:00+01:00", 0), ("2008-02-02 15:30:00", 1201966200), ("1969-12-31 23:59:59", -1),
    ],
)  # fmt: skip
def test_by_hand(text, seconds):
    assert clock.seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "noon", "1_0", "00:60:00", "00:00:60", "1:24:00:00", "00:00", "1:2:3", "2024-02-30 00:00:00",
     "2024-1-1 00:00:00", "20240101T000000", "2024-01-01", "0000-01-01 00:00:00", "1970-01-01 00:00:00+99:00",
     "\u0660\u0660:00:01", "9" * 61, "12:00:00 PM"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a time: seconds, \[D:\]HH:MM:SS or YYYY-MM-DD HH:MM:SS"):
        clock.seconds(text)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-23 * 60, 23 * 60))
def test_dates_are_read_in_any_zone(when, minutes):
    since_s = (when.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    for separator in "T ":
        assert clock.seconds(when.isoformat(separator)) == pytest.approx(since_s, rel=1e-15)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert clock.seconds(f"{when:%Y}".zfill(4) + f"{when:-%m-%dT%H:%M:%S}{zone}") == pytest.approx(
        since_s - when.microsecond / 1e6 - 60 * minutes
    )


@given(st.one_of(st.text(), st.text("0123456789:-+TZ .e", max_size=30)))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_any_text_is_a_time_or_refused(text):
    with suppress(ValueError):
        assert isinstance(clock.seconds(text), float)
