"""What epochs are counted from, and the rows of results files, which are an epoch each but for the last one."""

from engine.contracts.facts import EpochRow, Fact, LogFormat, ValidationRow
from engine.logs.builder_state import MOST_NOTES, State
from engine.logs.lexer.tokens import ResultsRow


def tell_format(state: State, epoch: int, last_epoch: int) -> list[Fact]:
    """Where the log is not YOLOv7's: whose it is and what it counts epochs from, as soon as both are known.

    Args:
        epoch: one of the log.
        last_epoch: the number after its slash.
    """
    if state.first_epoch is None and epoch == 0:
        state.first_epoch = 0
    elif state.first_epoch is None and state.planned is not None and 0 <= state.planned - last_epoch <= 1:
        state.first_epoch = 1 + last_epoch - state.planned
    format_facts = [state.dialect, state.first_epoch]
    is_usual = state.told is None and state.dialect in (None, "yolov7")
    if is_usual or state.first_epoch is None or state.told == format_facts or state.notes >= MOST_NOTES:
        return []
    state.notes += 1
    state.told = format_facts
    return [LogFormat(state.dialect or "yolov7", state.first_epoch)]


def facts_of_result(state: State, token: ResultsRow) -> list[Fact] | None:
    """The facts of a row of a results file; None where the log has turned out to be something else."""
    if state.dialect not in (None, token.dialect):
        return None
    state.dialect = token.dialect
    if state.first_epoch is None:
        state.first_epoch = min(token.epoch, token.counts_from)
    trained = {key: text for key, text in token.values.items() if not key.startswith(("val/", "lr/"))}
    # After the last epoch YOLOv5 evaluates the best model, and adds a row with that epoch's training losses.
    is_final, state.result = state.result == [token.epoch, trained], [token.epoch, trained]
    number = state.evaluations
    state.evaluations += 1
    row = ValidationRow(
        "all", None, None, token.metrics, number, None if is_final else token.epoch, source=token.dialect
    )
    if is_final:
        return [row]
    format_facts = tell_format(state, token.epoch, token.last_epoch)
    return [*format_facts, EpochRow(token.epoch, token.last_epoch, token.values, source=token.dialect), row]


def is_of_a_lost_epoch(state: State) -> bool:
    """Whether a row is that of an epoch whose own row has been thrown away with the head of the log."""
    if not state.head_missing or state.epoch is not None or state.completed:
        return False
    if not state.waiting:
        return True
    is_named = state.waiting[0].weights is not None or state.waiting[0].label is not None
    return not is_named and state.dialect not in (None, "yolov7")
