"""The end of a log that stops in the midst of a line: the last number there may lack digits, so it is not believed."""

from collections.abc import Mapping
from dataclasses import replace

from engine.logs.lexer.tokens import CocoNumber, EpochMetrics, Mark, MetricsRow, ResultsRow


def without_last_number(mark: Mark) -> Mark | None:
    """The mark of a line without a line feed; None when nothing is left of it."""
    match mark:
        case MetricsRow():
            return mark._replace(values=_all_but_last(mark.values))
        case EpochMetrics():
            return replace(mark, values=_all_but_last(mark.values))
        case ResultsRow():
            values, metrics = (
                {name: text for name, text in part.items() if name != mark.last_column}
                for part in (mark.values, mark.metrics)
            )
            return replace(mark, values=values, metrics=metrics)
        case CocoNumber():
            return None
    return mark


def _all_but_last(values: Mapping[str, str]) -> Mapping[str, str]:
    return dict(list(values.items())[:-1])
