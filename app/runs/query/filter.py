"""The filter language: `map>0.48 state:failed tag:relu -tiny | /exp0[12]/ cfg.lr0<=1e-3`.

Terms side by side must all hold, `|` separates alternatives. A word is found in name, stage, state, pipeline or tags;
`field:text` looks for a text in one field, `field=text` compares all of it, `/expression/` searches the name, and
`<`, `<=`, `>`, `>=`, `=`, `!=` compare numbers. `-term` and `not:term` exclude. Letter case makes no difference, and
a value that a run does not have matches no comparison.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.runs.query.fields import FIELDS, Field, IndexedValues, find_field
from db.views import RunView
from engine.contracts.errors import YoloqatError

Match = Callable[[RunView], bool]
_TOKEN = re.compile(r'\s*(?:(\|)|((?:-|not:)*)((?:"[^"]*"?|/(?:\\.|[^/\\])*/?(?=\s|\||$)|[^\s|"]|"[^"]*")+))')
_COMPARISON = re.compile(r"([A-Za-z][\w.]*)(<=|>=|!=|<|>|=|:)(.*)", re.DOTALL)
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)([smhdw%]?)")
_EMPTY, _BOTH_SIDES = "an alternative is empty", "Write a term on each side of `|`."
_UNITS: Mapping[str, float] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "%": 0.01}
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
}


class FilterError(YoloqatError):
    """A filter that cannot be understood; `start` and `end` tell where."""

    def __init__(self, what: str, hint: str, start: int, end: int) -> None:
        super().__init__(what, where=f"filter, column {start + 1}", hint=hint)
        self.start = start
        self.end = end


@dataclass(frozen=True)
class Filter:
    """A parsed filter."""

    text: str
    alternatives: tuple[tuple[Match, ...], ...]
    """Of one of these, all must hold."""

    def matches(self, run: RunView) -> bool:
        """Return whether a run is listed."""
        return any(all(match(run) for match in terms) for terms in self.alternatives)

    @property
    def is_empty(self) -> bool:
        """Whether it lists every run."""
        return any(not terms for terms in self.alternatives)


def parse_filter(text: str, indexed: IndexedValues) -> Filter:
    """Parse a filter.

    Args:
        indexed: where the values of options and further metrics are read from.

    Raises:
        FilterError: a field does not exist, or a value is missing or no number.
    """
    alternatives: list[list[Match]] = [[]]
    position = 0
    while position < len(text) and not text[position:].isspace():
        token = _TOKEN.match(text, position)
        if token is None:
            break
        position = token.end()
        bar, signs, term = token.groups()
        if bar:
            if not alternatives[-1]:
                raise FilterError(_EMPTY, _BOTH_SIDES, token.start(1), position)
            alternatives.append([])
            continue
        match = _term(term, token.start(3), indexed)
        count = len(re.findall(r"-|not:", signs))
        alternatives[-1].append(_negated(match) if count % 2 else match)
    if len(alternatives) > 1 and not alternatives[-1]:
        raise FilterError(_EMPTY, _BOTH_SIDES, len(text), len(text))
    return Filter(text, tuple(tuple(terms) for terms in alternatives))


def text_before(error: FilterError, text: str) -> str:
    """Return the terms of a filter that stand before the one that is not understood."""
    return re.sub(r"(?:[\s|-]|\bnot:)+$", "", text[: error.start])


def _negated(match: Match) -> Match:
    return lambda run: not match(run)


def _term(term: str, start: int, indexed: IndexedValues) -> Match:
    if term.startswith("/"):
        return _expression(term, start)
    comparison = _COMPARISON.fullmatch(term)
    if comparison is None:
        word = _unquoted(term).lower()
        return lambda run: word in _words(run)
    name, operator, text = comparison.groups()
    try:
        field = find_field(name, indexed)
    except YoloqatError as error:
        raise FilterError(error.what, error.hint or "", start, start + len(name)) from None
    text = _unquoted(text)
    if not text:
        hint = f"For example {name}{operator}{'0.5' if field.is_number else 'word'}."
        raise FilterError(f"a value is missing after {name}{operator}", hint, start, start + len(term))
    return _comparison(field, operator, text, start, start + len(term))


def _comparison(field: Field, operator: str, text: str, start: int, end: int) -> Match:
    number = _number(text)
    if operator in ("<", "<=", ">", ">=") or (field.is_number and operator in ("=", "!=") and number is not None):
        if number is None:
            raise FilterError(f"not a number: {text}", f"For example {field.name}{operator}0.5.", start, end)
        if not field.is_number:
            raise FilterError(f"{field.name} is no number", f"Write {field.name}:{text}.", start, end)
        compare, limit = _OPERATORS[operator], number
        return lambda run: (value := _as_number(field.value(run))) is not None and compare(value, limit)
    wanted = text.lower()

    def text_of(run: RunView) -> str | None:
        value = field.value(run)
        return None if value is None else _plain(value).lower()

    if operator == ":":
        return lambda run: wanted in (text_of(run) or "")
    if operator == "=":
        return lambda run: text_of(run) == wanted or wanted in _parts(field, run)
    return lambda run: (found := text_of(run)) is not None and found != wanted


def _parts(field: Field, run: RunView) -> tuple[str, ...]:
    """Return each tag of a run: `tag=relu` means one of them."""
    return tuple(tag.lower() for tag in run.tags) if field.name == "tag" else ()


def _expression(term: str, start: int) -> Match:
    body = term[1:-1] if len(term) > 1 and term.endswith("/") else term[1:]
    try:
        expression = re.compile(body, re.IGNORECASE)
    except re.error as error:
        hint = "An expression stands between slashes: /exp0[12]/."
        raise FilterError(f"not a regular expression: {error}", hint, start, start + len(term)) from None
    return lambda run: expression.search(run.name) is not None


def _words(run: RunView) -> str:
    """Return the text in which a plain word is looked for."""
    state = str(FIELDS["state"].value(run))
    return " ".join((run.name, run.stage, state, run.pipeline or "", run.group or "", *run.tags)).lower()


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    return float(match[1]) * _UNITS[match[2]] if match else None


def _as_number(value: str | float | None) -> float | None:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return None
    return value


def _plain(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value
