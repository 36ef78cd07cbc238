"""Every key binding, in one table. Bindings, the footer, the help screen and the README's table come from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True)
class Key:
    """One binding."""

    id: str
    """Unique id, with which Textual can replace the binding."""
    keys: str
    """Textual's key names, separated by commas."""
    action: str
    label: str
    """One or two words, for the footer."""
    help: str
    """One sentence, for the help screen."""
    show: bool = False
    """Whether the footer shows it."""


@dataclass(frozen=True)
class Scope:
    """The bindings of one screen or widget."""

    title: str
    keys: tuple[Key, ...]


KEYMAP: Mapping[str, Scope] = {
    "app": Scope(
        "Everywhere",
        (
            Key("app.help", "question_mark,f1", "help", "Help", "Show this help.", show=True),
            Key("app.quit", "q", "leave", "Quit", "Leave the screen. Runs go on without it.", show=True),
            Key("app.redraw", "ctrl+l", "redraw", "Redraw", "Write the whole screen again."),
            Key("app.suspend", "ctrl+z", "suspend_process", "Suspend", "Suspend the screen; `fg` brings it back."),
            Key("app.compare", "D", "chain", "Chain", "Compare all runs of the pipeline at hand."),
        ),
    ),
    "runs": Scope(
        "Runs",
        (
            Key("runs.new", "n", "new", "New", "Launch a pipeline.", show=True),
            Key("runs.mark", "space", "mark", "Mark", "Mark the run, or all runs of the pipeline.", show=True),
            Key("runs.compare", "c", "compare", "Compare", "Compare the marked runs side by side.", show=True),
            Key("runs.stop", "s", "stop", "Stop", "Stop the run, or pause it.", show=True),
            Key("runs.resume", "r", "resume", "Resume", "Go on from the last checkpoint, or with a paused run."),
            Key("runs.edit", "e", "edit", "Edit", "Name, tags and note of the run."),
            Key("runs.archive", "a", "archive", "Archive", "Take the run out of the list, or put it back."),
            Key("runs.archived", "A", "archived", "Archived", "Show or hide archived runs."),
            Key("runs.delete", "delete,x", "delete", "Delete", "Move the run into the trash."),
            Key("runs.undelete", "u", "undelete", "Undelete", "Bring back the run that was deleted last."),
            Key(
                "runs.filter",
                "slash",
                "filter",
                "Filter",
                "Filter while you type: relu map>0.48 state:failed -tag:old.",
                True,
            ),
            Key("runs.sort", "o", "sort", "Sort", "Sort by the next column; a click on a title sorts by that one."),
            Key("runs.reverse", "O", "reverse", "Reverse", "Reverse the order of the sorted runs."),
            Key("runs.fold", "left,right,z", "fold", "Fold", "Fold or unfold the pipeline."),
            Key("runs.clear", "escape", "clear", "Clear", "Clear the filter, then the order, then the marks."),
        ),
    ),
    "run": Scope(
        "Run",
        (
            Key("run.back", "escape,backspace", "back", "Back", "Back to where you came from.", show=True),
            Key("run.stop", "s", "stop", "Stop", "Stop the run, or pause it.", show=True),
            Key("run.resume", "r", "resume", "Resume", "Go on from the last checkpoint, or with a paused run."),
            Key("run.follow", "f", "follow", "Follow", "Follow the pipeline: show each step as it starts.", show=True),
            Key("run.compare", "c", "compare", "Compare", "Compare the runs of this pipeline.", show=True),
            Key("run.previous", "left_square_bracket", "sibling(-1)", "Previous", "The step before, in its pipeline."),
            Key("run.next", "right_square_bracket", "sibling(1)", "Next", "The next step of the pipeline."),
            Key("run.epochs", "1", "pane('epochs')", "Epochs", "Go to the epochs."),
            Key("run.curves", "2", "pane('curves')", "Curves", "Go to the curves."),
            Key("run.log", "3", "pane('log')", "Log", "Go to the log; End follows it again."),
            Key("run.evaluation", "4", "pane('evaluation')", "Evaluation", "Go to the evaluations."),
            Key("run.about", "5", "pane('about')", "About", "Go to command, options and artifacts."),
            Key("run.layers", "6", "pane('layers')", "Layers", "Go to ranges and sensitivity of single layers."),
        ),
    ),
    "launch": Scope(
        "Launch",
        (
            Key("launch.go", "ctrl+s", "launch", "Launch", "Check the form and launch the pipeline.", show=True),
            Key("launch.preview", "f5", "preview", "Preview", "Show the command lines.", show=True),
            Key("launch.back", "escape", "back", "Back", "Back without launching.", show=True),
        ),
    ),
    "compare": Scope(
        "Compare",
        (
            Key("compare.back", "escape,backspace", "back", "Back", "Back to where you came from.", show=True),
            Key("compare.baseline", "b", "baseline(1)", "Baseline", "The next run becomes the baseline.", show=True),
            Key("compare.no-baseline", "B", "baseline(-1)", "Baseline back", "The run before becomes the baseline."),
            Key("compare.differing", "d", "differing", "Differing", "Show only rows in which the runs differ.", True),
        ),
    ),
    "log": Scope(
        "Log",
        (
            Key("log.up", "up,k", "move(-1)", "Up", "One line up; the log pauses."),
            Key("log.down", "down,j", "move(1)", "Down", "One line down."),
            Key("log.page-up", "pageup", "page(-1)", "Page up", "A screenful up; the log pauses."),
            Key("log.page-down", "pagedown", "page(1)", "Page down", "A screenful down."),
            Key("log.start", "home,g", "start", "Start", "The oldest line that was read."),
            Key("log.follow", "end,G", "follow_end", "Follow", "To the end, and follow it."),
            Key("log.left", "left", "across(-8)", "Left", "Eight columns to the left."),
            Key("log.right", "right", "across(8)", "Right", "Eight columns to the right."),
        ),
    ),
    "grid": Scope(
        "Tables",
        (
            Key("grid.up", "up,k", "cursor(-1)", "Up", "One row up."),
            Key("grid.down", "down,j", "cursor(1)", "Down", "One row down."),
            Key("grid.page-up", "pageup", "page(-1)", "Page up", "A screenful up."),
            Key("grid.page-down", "pagedown", "page(1)", "Page down", "A screenful down."),
            Key("grid.first", "home,g", "edge(-1)", "First", "The first row."),
            Key("grid.last", "end,G", "edge(1)", "Last", "The last row."),
            Key("grid.left", "left", "sideways(-1)", "Left", "Scroll the columns to the left."),
            Key("grid.right", "right", "sideways(1)", "Right", "Scroll the columns to the right."),
            Key("grid.open", "enter", "select", "Open", "Open the row; a double click does it too."),
        ),
    ),
}


_SIGNS = {
    "question_mark": "?",
    "slash": "/",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def sign(key: str) -> str:
    """Return the label of a key: `?`, `^s`, `space`."""
    return f"^{key[5:]}" if key.startswith("ctrl+") else _SIGNS.get(key, key)


def bindings(scope: str) -> list[BindingType]:
    """Return the bindings of a screen or widget for Textual."""
    return [
        Binding(key.keys, key.action, key.label, show=key.show, tooltip=key.help, id=key.id)
        for key in KEYMAP[scope].keys
    ]


def table() -> str:
    """Format all bindings as a Markdown table, for the documentation."""
    rows = ["| where | key | what it does |", "|---|---|---|"]
    for scope in KEYMAP.values():
        for key in scope.keys:
            signs = " ".join(f"`{sign(name)}`" for name in key.keys.split(","))
            rows.append(f"| {scope.title} | {signs} | {key.help} |")
    return "\n".join(rows)
