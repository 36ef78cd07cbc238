"""Commands about runs in the command palette: open, stop, resume, compare."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher
from textual.markup import escape

from app.runs.query.fields import FIELDS
from app.screens import actions
from app.screens.app_interface import AppInterface
from app.screens.dialogs.stop import ask_to_stop
from app.widgets.base.state import look
from app.widgets.base.styled_text import clean
from engine.contracts.states import RunState

SHOWN = 12
"""Number of commands listed before anything is typed."""


class RunCommands(Provider):
    """Commands about each run, newest first."""

    @property
    def _yoloqat(self) -> AppInterface:
        return cast(AppInterface, self.app)

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], None]]]:
        app = self._yoloqat
        runs = sorted(app.runs, key=lambda run: run.created_at, reverse=True)
        for run in runs:
            name, about = clean(run.name), escape(f"{clean(run.stage)}, {look(run).word}")
            yield f"Open {name}", about, partial(app.guide.open_run, run.id)
            if run.state.is_live and run.source != "watched":
                yield f"Stop {name}", about, partial(ask_to_stop, app, run)
            elif run.state is not RunState.SUCCEEDED and run.source == "launched":
                yield f"Resume {name}", about, partial(actions.resume, app, run)
        sort_by = getattr(self.screen, "sort_by", None)
        for field in FIELDS.values():
            if sort_by is None:
                break
            yield f"Sort by {field.name}", field.about, partial(sort_by, field.name)
        for group in dict.fromkeys(run.group for run in runs if run.group):
            yield f"Compare pipeline {clean(group)}", "its runs as a chain", partial(app.guide.compare_group, group)

    async def discover(self) -> Hits:
        """Yield the commands of the newest runs."""
        for count, (name, help_text, call) in enumerate(self._commands()):
            if count == SHOWN:
                break
            yield DiscoveryHit(Content(name), call, text=name, help=help_text)

    async def search(self, query: str) -> Hits:
        """Yield the commands that match."""
        matcher = self.matcher(query)
        for name, help_text, call in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, highlighted(matcher, name), call, text=name, help=help_text)


def highlighted(matcher: Matcher, name: str) -> Content:
    """Return the name with the matching letters highlighted; brackets in it are not markup."""
    shown = Content(name)
    for offset in matcher.fuzzy_search.match(matcher.query, name)[1]:
        shown = shown.stylize(matcher.match_style, offset, offset + 1)
    return shown
