"""The signs used on the screens, as Unicode and as ASCII."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from app.comparing.metric_sources import PRINTED, STORED


@dataclass(frozen=True)
class Glyphs:
    """One set of signs. Every state sign is one cell wide."""

    is_ascii: bool
    cursor: str
    marked: str
    expanded: str
    collapsed: str
    branch: str
    bar_done: str
    bar_edge: str
    bar_left: str
    spark: str
    """Eight or fewer levels, lowest first."""
    arrow: str
    ellipsis: str
    best: str
    dot: str
    left: str
    right: str
    dash: str
    delta: str
    not_equal: str
    minus: str
    times: str
    stored: str
    """Marks a column whose numbers come from a results file."""
    printed: str
    """Marks a number in such a column that comes from the log."""
    states: Mapping[str, str]
    """State signs by the `mark` of `app.widgets.base.state.StateLook`."""


UNICODE = Glyphs(
    is_ascii=False,
    cursor="▸",
    marked="◆",
    expanded="▾",
    collapsed="▸",
    branch="└",
    bar_done="━",
    bar_edge="╸",
    bar_left="─",
    spark="▁▂▃▄▅▆▇█",
    arrow="→",
    ellipsis="…",
    best="★",
    dot="·",
    left="◂",
    right="▸",
    dash="–",
    delta="Δ",
    not_equal="≠",
    minus="−",
    times="×",
    stored=STORED,
    printed=PRINTED,
    states={
        "waits": "◌",
        "starts": "◔",
        "running": "●",
        "stalled": "◍",
        "suspended": "◫",
        "stopping": "◼",
        "done": "✓",
        "failed": "✗",
        "stopped": "■",
        "ended": "○",
        "lost": "?",
        "blocked": "⊘",
    },
)

ASCII = Glyphs(
    is_ascii=True,
    cursor=">",
    marked="#",
    expanded="-",
    collapsed="+",
    branch="`",
    bar_done="#",
    bar_edge="#",
    bar_left=".",
    spark="_.-=+*#",
    arrow=">",
    ellipsis="~",
    best="*",
    dot="|",
    left="<",
    right=">",
    dash="-",
    delta="d",
    not_equal="!=",
    minus="-",
    times="x",
    stored="^",
    printed="'",
    states={
        "waits": "o",
        "starts": "~",
        "running": "@",
        "stalled": "%",
        "suspended": "|",
        "stopping": "!",
        "done": "v",
        "failed": "x",
        "stopped": "=",
        "ended": "0",
        "lost": "?",
        "blocked": "/",
    },
)


def choose(environment: Mapping[str, str], encoding: str | None) -> Glyphs:
    """Return the set of signs that a terminal can show.

    Args:
        environment: `YOLOQAT_ASCII`, if set, decides; the Linux console (`TERM=linux`) lacks most of the signs.
        encoding: what the program's output is encoded in.
    """
    requested = environment.get("YOLOQAT_ASCII", "")
    if requested:
        return UNICODE if requested.lower() in {"0", "no", "false"} else ASCII
    is_utf8 = (encoding or "").lower().replace("-", "").replace("_", "") == "utf8"
    return UNICODE if is_utf8 and environment.get("TERM") != "linux" else ASCII


@cache
def glyphs() -> Glyphs:
    """Return the set for this process's terminal."""
    return choose(os.environ, getattr(sys.__stdout__, "encoding", None))
