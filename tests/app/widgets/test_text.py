"""Text for narrow places: spans, numbers, times, bars, signs."""

import pytest

from app.cli.list_runs import state_text
from app.widgets.base.glyphs import ASCII, UNICODE, choose
from app.widgets.base.state import LOOKS, STALLED, STOPPING, long_state, look, short_state
from app.widgets.base.styled_text import clean, fit, plain, width
from app.widgets.charts.bars import bar, sparkline
from engine.contracts.states import RunState
from tests.app.tui.fakes import run


@pytest.mark.parametrize("cell", ["", "ab", (("ab", "good"), ("cdef", "bad")), "日本語テキスト", "a" * 50])
@pytest.mark.parametrize("columns", [0, 1, 2, 5, 6, 30])
def test_a_cell_takes_exactly_its_columns(cell, columns: int) -> None:
    for justify in ("left", "right"):
        assert width(fit(cell, columns, justify)) == columns


def test_what_is_cut_shows_that_it_is() -> None:
    assert plain(fit("relu-retrain", 8)) == "relu-re…"


def test_control_characters_command_nothing() -> None:
    assert clean("a\x1b[31mb\x07\r\x00c\u202e") == "ab c"
    assert clean("plain [bold]text[/]") == "plain [bold]text[/]"


@pytest.mark.parametrize("share", [-1, 0, 0.01, 0.5, 0.999, 1, 7, float("nan")])
def test_a_bar_is_as_long_as_asked_and_full_only_at_the_end(share: float) -> None:
    text = plain(bar(share, 20))
    assert len(text) == 20
    assert (set(text) == {"━"}) == (share >= 1)


def test_a_sparkline_shows_the_trend_and_the_newest_value() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0.1] * 4, 12) == "▅▅▅▅"
    assert sparkline([*range(100), 0], 10).endswith("▁")
    assert sparkline([], 10) == sparkline([float("nan")], 10) == ""


def test_every_state_has_a_sign_a_word_and_a_width_of_one() -> None:
    assert set(LOOKS) == set(RunState)
    for shown in (*LOOKS.values(), STALLED, STOPPING):
        for glyphs in (UNICODE, ASCII):
            assert width(glyphs.states[shown.mark]) == 1
        assert len(shown.word) <= 8
    assert len(set(UNICODE.states.values())) == len(UNICODE.states), "told apart without colour"
    assert len(set(ASCII.states.values())) == len(ASCII.states)


def test_states_say_why() -> None:
    assert plain(long_state(run("a", state=RunState.FAILED, reason="exit code 3"))) == "✗ failed  exit code 3"
    assert plain(long_state(run("a", state=RunState.QUEUED, reason="waits for b"))) == "◌ waits for b"
    stopping = run("a", state=RunState.RUNNING, stopping="SIGINT sent, SIGTERM in 12 s", stalled=True)
    assert plain(long_state(stopping)) == "◼ stopping  SIGINT sent, SIGTERM in 12 s"
    assert plain(short_state(run("a", state=RunState.RUNNING, stalled=True))) == "◍ stalled"
    assert look(run("a", stopping="SIGINT sent")).word == "done", "a run that has ended is stopping no more"


@pytest.mark.parametrize(
    ("state", "reason", "narrow", "wide", "listed"),
    [
        (
            RunState.ENDED,
            "handed to tmux 812; its end is not seen",
            "○ handed",
            "○ ended  handed to tmux 812; its end is not seen",
            "ended, handed to tmux 812",
        ),
        (
            RunState.SUCCEEDED,
            "handed to tmux 812",
            "✓ handed",
            "✓ done  handed to tmux 812",
            "succeeded, handed to tmux 812",
        ),
        (
            RunState.FAILED,
            "exit code 3; handed to tmux 812",
            "✗ failed",
            "✗ failed  exit code 3; handed to tmux 812",
            "failed, handed to tmux 812",
        ),
    ],
)
def test_a_run_whose_work_was_handed_over_is_never_a_bare_success(
    state: RunState, reason: str, narrow: str, wide: str, listed: str
) -> None:
    handed = run("a", state=state, reason=reason, handed_to="tmux 812")
    assert plain(short_state(handed)) == narrow
    assert plain(long_state(handed)) == wide
    assert state_text(handed) == listed
    assert state is RunState.FAILED or short_state(handed)[0][1] == "warn"


def test_a_run_that_was_seen_outside_of_its_lease_has_a_red_mark() -> None:
    for state, narrow in ((RunState.RUNNING, "● running!"), (RunState.SUCCEEDED, "✓ done!")):
        astray = run("a", state=state, gpus_outside_lease=("0", "2"))
        assert short_state(astray) == ((narrow, "bad"),)
        assert ("  on GPU 0, 2 outside its lease", "bad") in long_state(astray)
        assert state_text(astray) == f"{state.value}, on GPU 0, 2 outside its lease"


def test_the_terminal_decides_about_ascii() -> None:
    assert choose({}, "utf-8") is UNICODE
    assert choose({}, "ISO-8859-1") is ASCII
    assert choose({"TERM": "linux"}, "utf-8") is ASCII
    assert choose({"YOLOQAT_ASCII": "1"}, "utf-8") is ASCII
    assert choose({"YOLOQAT_ASCII": "0"}, "ascii") is UNICODE
    assert all(sign.isascii() for sign in vars(ASCII)["states"].values())


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("complete: 3 epochs in 0.1 hours", "○ complete"),
        ("complete: 3 epochs in 0.1 hours, all losses nan", "○ nan"),
        ("cut off in epoch 1/3, 2 of 9, losses nan since epoch 0", "○ nan"),
        ("stopped early: 3 epochs in 0.1 hours", "○ early"),
        ("out of memory: CUDA out of memory", "○ oom"),
        ("no epochs", "○ ended"),
    ],
)
def test_how_a_log_ended_stands_in_the_narrow_list(reason: str, shown: str) -> None:
    ((text, _),) = short_state(run("a", state=RunState.ENDED, reason=reason))
    assert text == shown
