"""The line of progress: what it says, how often, and where."""

import io

from jaxvec.training.progress import Progress


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


def test_a_report_has_the_reward_the_speed_and_what_is_left():
    stream = io.StringIO()
    line = Progress(stream)
    line.start("ppo")
    # 6 of 12 updates, 2 of them before a resumption: 4 took 8 s, so 6 take 12 s more; 4 x 1000 steps in 8 s
    line.update(6, 12, -1.5, 8.0, start=2, steps=1000)
    bar = "=" * 12 + " " * 12
    assert stream.getvalue() == (
        f"ppo: compiling ...\nppo: [{bar}] update 6/12  reward -1.500  0.5 k steps/s  8 s, 12 s left\n"
    )


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then():
    stream = io.StringIO()
    line = Progress(stream, every_s=5.0)
    line.start("ppo")
    for done in range(1, 11):
        line.update(done, 10, 0.0, 2.0 * done)
    line.close()
    # at 2 s, then not before 7 s, 13 s and 18 s; and the last
    shown = [text.split("update ")[1].split("/")[0] for text in stream.getvalue().splitlines()[1:]]
    assert shown == ["1", "4", "7", "10"]
    assert "steps/s" not in stream.getvalue()


def test_a_terminal_has_one_line():
    stream = Terminal()
    line = Progress(stream)
    line.start("ppo")
    for done in range(1, 4):
        line.update(done, 3, 0.0, 0.1 * done)
    line.close()
    line.close()
    assert stream.getvalue().count("\r\x1b[K") == 4
    assert stream.getvalue().count("\n") == 1


def test_nothing_is_written_where_nothing_is_asked_for(capsys):
    for stream, written in ((False, ""), (True, "a line\n")):
        Progress(stream).write("a line")
        assert capsys.readouterr().err == written
