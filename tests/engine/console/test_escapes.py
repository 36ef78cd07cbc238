"""What a log or a record holds never commands a terminal, and reads as what it is."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.console.escapes import unfinished_escape, without_escapes

SEQUENCES = {
    "colour": "\x1b[1;31m",
    "colour with colons": "\x1b[38:2::255:0:0m",
    "cursor": "\x1b[2J\x1b[10;20H\x1b[?25l",
    "alternate screen": "\x1b[?1049h",
    "soft reset": "\x1b[!p",
    "pasted text": "\x1b[200~\x1b[201~",
    "title": "\x1b]0;title\x07",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x1b\\",
    "link": "\x1b]8;;https://host/\x1b\\\x1b]8;;\x1b\\",
    "DCS": "\x1bPq#0;2;0;0;0\x1b\\",
    "SOS, PM, APC": "\x1bXsos\x1b\\\x1b^pm\x1b\\\x1b_apc\x1b\\",
    "character set": "\x1b(0",
    "save cursor, reset": "\x1b7\x1bc",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d0;title\x9c\x9d0;title\x07",
    "C1 DCS": "\x90q\x9c",
    "other C1": "\x84\x85\x8d",
    "C0": "\x00\x05\x07\x08\x0b\x0c\x0e\x0f\x18\x1a\x7f",
    "direction": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "separators": "\u2028\u2029",
}
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
PIECES = st.one_of(
    st.sampled_from([*SEQUENCES.values(), "\x1b", "\x1b[", "\x1b]", "\x9b", "\n", "\r", "\t"]), st.text()
)
HOSTILE = st.lists(PIECES).map("".join)


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_nothing_of_a_sequence_is_left(sequence: str) -> None:
    assert without_escapes(f"mAP {sequence}0.5\té") == "mAP 0.5\té"


@pytest.mark.parametrize(
    "beginning", ["\x1b", "\x1b[", "\x1b[31", "\x1b(", "\x1b]0;title", "\x1bPq", "\x9b31", "\x9d0;t"]
)
def test_what_is_cut_off_is_known_to_be_unfinished(beginning: str) -> None:
    assert unfinished_escape(f"\x1b[31mred{beginning}") == len("\x1b[31mred")
    assert "\x1b" not in without_escapes(beginning)


def test_line_ends_stay_where_asked_for() -> None:
    assert without_escapes("a\r\nb\x1b[K\n", keep_line_ends=True) == "a\r\nb\n"
    assert without_escapes("a\r\nb\x1b[K\n") == "ab"


def test_a_string_without_an_end_takes_no_more_than_its_line() -> None:
    assert without_escapes("\x1b]0;title\nnext", keep_line_ends=True) == "\nnext"


@given(HOSTILE)
def test_no_control_character_gets_through(text: str) -> None:
    for keep_line_ends in (False, True):
        shown = without_escapes(text, keep_line_ends=keep_line_ends)
        assert not CONTROL.search(shown)
        assert keep_line_ends or not re.search(r"[\r\n]", shown)
        assert without_escapes(shown, keep_line_ends=keep_line_ends) == shown


@given(HOSTILE, st.data())
def test_a_text_in_two_parts_gives_what_it_gives_as_a_whole(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    cut = unfinished_escape(text[:at])
    parts = [text[:cut], text[cut:]]
    assert "".join(map(without_escapes, parts)) == without_escapes(text)


@pytest.mark.parametrize("piece", ["\x1b", "\x1b[", "\x1b]", "\x9b", "\x9d", "\x1b]0;", "\x1b[0"])
def test_the_time_grows_with_the_length_alone(piece: str) -> None:
    text = piece * 200_000 + "\nend"
    started = time.process_time()
    without_escapes(text)
    unfinished_escape(text)
    assert time.process_time() - started < 5


_STRING = r"[^\x07\x1b\x80-\x9f\n]*"
_PLAIN = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    rf"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]){_STRING}(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
"""The grammar as ECMA-48 has it, without regard to speed."""
_PARTS = st.sampled_from(
    ["\x1b", "[", "]", "\x9b", "\x90", "\x9c", "\x98", "\x9f", "\x07", "\\", "P", "0;31", "m", " ", "a", "\n", "é"]
)


@given(st.lists(_PARTS, max_size=12).map("".join))
@settings(max_examples=2000, deadline=None)
def test_the_fast_expression_finds_what_the_plain_grammar_does(text: str) -> None:
    rest = _PLAIN.sub("", text)
    expected = "".join(sign for sign in rest if sign == "\n" or not (ord(sign) < 32 or 127 <= ord(sign) < 160))
    assert without_escapes(text, keep_line_ends=True) == expected
