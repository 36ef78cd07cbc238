"""The end of a log that stops in the midst of a line: the last number there may lack digits, so it is not believed."""

from collections.abc import Mapping
from dataclasses import replace

from engine.contracts.facts import ValidationRow
from engine.logs.lexer.tokens import CocoNumber, ResultsRow, Token


def without_last_number(token: Token) -> Token | None:
    """The token of a line without a line feed; None when nothing is left of it."""
    match token:
        case ValidationRow():
            return replace(token, values=_all_but_last(token.values))
        case ResultsRow():
            values, metrics = (
                {name: text for name, text in part.items() if name != token.last_column}
                for part in (token.values, token.metrics)
            )
            return replace(token, values=values, metrics=metrics)
        case CocoNumber():
            return None
    return token


def _all_but_last(values: Mapping[str, str]) -> Mapping[str, str]:
    return dict(list(values.items())[:-1])
