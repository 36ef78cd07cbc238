"""The filter language: what matches, what is excluded, and what an error says."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.runs.query.fields import FIELDS, field_names, find_field
from app.runs.query.filter import FilterError, parse_filter, text_before
from app.runs.query.order import Order
from db.views import Number, RunView
from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState


class Indexed:
    """What the index tells beyond the list."""

    def option_values(self, option: str) -> Mapping[str, str | float | None]:
        return {"lr0": {"relu": 0.01, "tiny": 0.001}, "data": {"relu": "coco.yaml"}}.get(option, {})

    def metric_values(self, key: str) -> Mapping[str, str | float | None]:
        return {"relu": 0.7, "tiny": 0.6} if key == "mAP@.5" else {}


def a_run(name: str, best: float | None = None, **changes: Any) -> RunView:
    values = {"stage": "retrain", "state": RunState.SUCCEEDED, "reason": ""}
    number = Number(f"{best:.3f}", best, "log") if best is not None else None
    created = datetime.now(UTC) - timedelta(hours=1)
    return RunView(**{"id": name, "name": name, "created_at": created, "best_map": number, **values, **changes})


RUNS = (
    a_run("relu", 0.512, tags=("relu", "paper"), group="relu-int8", seconds=7200.0, best_epoch=40),
    a_run("tiny", 0.476, stage="qat", state=RunState.RUNNING, stalled=True, seconds=60.0, notes="second try"),
    a_run("exp01", None, state=RunState.FAILED, reason="exit code 3", stage="command"),
    a_run(
        "exp2",
        0.3,
        state=RunState.ENDED,
        reason="crashed: CUDA error",
        created_at=datetime.now(UTC) - timedelta(days=9),
    ),
)


def names(text: str) -> list[str]:
    parsed = parse_filter(text, Indexed())
    return [run.name for run in RUNS if parsed.matches(run)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["relu", "tiny", "exp01", "exp2"]),
        ("   ", ["relu", "tiny", "exp01", "exp2"]),
        ("RELU", ["relu"]),
        ("exp", ["exp01", "exp2"]),
        ("exp failed", ["exp01"]),
        ("map>0.48", ["relu"]),
        ("map>48%", ["relu"]),
        ("map>=.3 map<0.5", ["tiny", "exp2"]),
        ("map!=0.3", ["relu", "tiny"]),
        ("map50>0.65", ["relu"]),
        ("cfg.lr0<=1e-3", ["tiny"]),
        ("cfg.data:coco", ["relu"]),
        ("cfg.nothing=1", []),
        ("state:failed", ["exp01"]),
        ("state:stalled", ["tiny"]),
        ("state:live", ["tiny"]),
        ("tag:rel", ["relu"]),
        ("tag=relu", ["relu"]),
        ("tag=rel", []),
        ("reason:crashed", ["exp2"]),
        ("stage:qat", ["tiny"]),
        ("group:relu-int8", ["relu"]),
        ("group!=other", ["relu"]),
        ('note:"second try"', ["tiny"]),
        ('"exit code"', []),
        ("-exp", ["relu", "tiny"]),
        ("not:exp", ["relu", "tiny"]),
        ("exp -failed", ["exp2"]),
        ("not:state:failed exp", ["exp2"]),
        ("--exp", ["exp01", "exp2"]),
        ("-map>0.4", ["exp01", "exp2"]),
        ("/exp0[12]/", ["exp01"]),
        ("/^(relu|tiny)$/", ["relu", "tiny"]),
        ("-/exp/", ["relu", "tiny"]),
        ("tiny | failed", ["tiny", "exp01"]),
        ("relu map>0.6 | exp2", ["exp2"]),
        ("duration>1h", ["relu"]),
        ("duration<=60s", ["tiny"]),
        ("age>1w", ["exp2"]),
        ("age<2h", ["relu", "tiny", "exp01"]),
        ("best=40", ["relu"]),
        ("name:/", []),
    ],
)
def test_what_matches(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "what", "hint", "place"),
    [
        ("mapp>0.4", "unknown field: mapp", "Do you mean map?", (0, 4)),
        ("relu  map>", "a value is missing after map>", "For example map>0.5.", (6, 10)),
        ("map>high", "not a number: high", "For example map>0.5.", (0, 8)),
        ("name>3", "name is no number", "Write name:3.", (0, 6)),
        ("a |", "an alternative is empty", "Write a term on each side of `|`.", (3, 3)),
        ("| a", "an alternative is empty", "Write a term on each side of `|`.", (0, 1)),
        ("/exp[/", "not a regular expression", "An expression stands between slashes: /exp0[12]/.", (0, 6)),
        ("zzzzzz:1", "unknown field: zzzzzz", "Fields: name, id, ", (0, 6)),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, what: str, hint: str, place: tuple[int, int]) -> None:
    with pytest.raises(FilterError) as raised:
        parse_filter(text, Indexed())
    assert raised.value.what.startswith(what)
    assert (raised.value.hint or "").startswith(hint)
    assert (raised.value.start, raised.value.end) == place


@given(st.text(alphabet=st.sampled_from('ab |-:<>=!/"[](.0mapstate\tnot:'), max_size=30))
def test_any_text_is_a_filter_or_an_error(text: str) -> None:
    problems: list[FilterError] = []
    try:
        parsed = parse_filter(text, Indexed())
    except FilterError as error:
        problems.append(error)
    else:
        for run in RUNS:
            parsed.matches(run)
    assert all(0 <= problem.start <= problem.end <= len(text) for problem in problems)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_every_field_has_a_cell(run: RunView) -> None:
    for name in field_names()[:-1]:
        assert find_field(name, Indexed()).cell(run)


def order(name: str, descending: bool = False) -> list[str]:
    return [run.name for run in Order(find_field(name, Indexed()), descending).sorted(RUNS)]


def test_runs_without_a_value_come_last_in_either_direction() -> None:
    assert order("map") == ["exp2", "tiny", "relu", "exp01"]
    assert order("map", descending=True) == ["relu", "tiny", "exp2", "exp01"]
    assert order("cfg.lr0") == ["tiny", "relu", "exp01", "exp2"]
    assert order("NAME") == ["exp01", "exp2", "relu", "tiny"]


def test_equal_ones_keep_their_order() -> None:
    assert order("stage", descending=True) == ["relu", "exp2", "tiny", "exp01"]


def test_names_of_fields_are_unique_and_typed_in_lower_case() -> None:
    assert all(name == name.lower() for name in FIELDS)
    with pytest.raises(YoloqatError, match="unknown field: cfg"):
        find_field("cfg.", Indexed())


@given(st.text(alphabet=st.sampled_from('ab |-:<>=!/"[](.0mapstate\t'), max_size=30))
def test_what_stands_before_an_error_is_a_filter(text: str) -> None:
    before = ""
    try:
        parse_filter(text, Indexed())
    except FilterError as error:
        before = text_before(error, text)
    parse_filter(before, Indexed())
