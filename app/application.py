"""The Textual app: reads the runs in the background, shows the screens, and notifies when a run ends."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from rich.color import ColorSystem
from rich.console import RenderableType
from textual import constants, events, on, work
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.worker import get_current_worker

from app.backend.interface import Backend
from app.backend.run_cache import RunCache
from app.formatting import duration, metric
from app.keymap import bindings
from app.messages import CallFailed, RunEnded, RunsRead
from app.screens.app_interface import AppInterface
from app.screens.dialogs import import_logs
from app.screens.dialogs.dialog import Dialog
from app.screens.dialogs.error import ErrorDialog
from app.screens.dialogs.quit import QuitDialog, going_on
from app.screens.help import HelpScreen
from app.screens.navigator import PipelineNavigator
from app.screens.palette import RunCommands
from app.screens.runs import RunsScreen
from app.screens.unexpected import unexpected
from app.styles.theme import DARK, LIGHT
from app.terminal.changed_cells import ReadySequence, TerminalCells
from app.terminal.clean_strips import clean_strips
from app.terminal.restore import has_hung_up
from app.widgets.base.glyphs import glyphs
from app.widgets.base.plain_scroll import PlainScrollBar
from app.widgets.base.state import look
from app.widgets.base.styled_text import clean
from db.views import RunView
from engine.contracts.errors import YoloqatError
from engine.contracts.states import RunState

POLL_SECONDS = 1.0
"""Interval of reading the version of the index."""
RECHECK_LIVE_SECONDS, RECHECK_IDLE_SECONDS = 3.0, 20.0
"""Interval of reading states with an unchanged index: a killed process records no end."""
HANGUP_SECONDS = 1.0
"""Interval of checking that the terminal still exists."""
FOLLOW_SECONDS = 10.0
"""Interval of checking that live runs have an indexer."""


class YoloqatApp(AppInterface):
    """The experiment manager on the screen. It stores no state, so it can be killed at any time while runs continue."""

    TITLE = "yoloqat"
    CSS_PATH = [
        "styles/app.tcss",
        "styles/dialogs.tcss",
        "styles/run.tcss",
        "styles/launch.tcss",
        "styles/compare.tcss",
    ]
    COMMANDS = App.COMMANDS | {RunCommands}
    BINDINGS: ClassVar = bindings("app")

    def __init__(self, open_backend: Callable[[], Backend], *, demo: bool = False) -> None:
        """`open_backend` opens the workspace; it is called in a thread, after the first frame."""
        super().__init__()
        self.animation_level = "none"
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.guide: PipelineNavigator = PipelineNavigator(self)
        self._open_backend = open_backend
        self._backend: Backend | None = None
        self._demo = demo
        self.lost_terminal: Callable[[], None] = self.exit
        """Called when the terminal is lost without a signal."""
        self._cells = TerminalCells()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = threading.Event()
        self._is_over = False
        self._failures: set[str] = set()

    @property
    def backend(self) -> Backend:
        """The backend of the workspace.

        Raises:
            YoloqatError: the workspace is not open yet.
        """
        if self._backend is None:
            raise YoloqatError("the workspace is still being opened", hint="Try again in a moment.")
        return self._backend

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return defaults of theme variables that themes of 16 colours lack."""
        dim = "ansi_bright_black"
        return {"foreground-disabled": dim, "border": "ansi_blue", "border-blurred": dim}

    def on_mount(self) -> None:
        """Show the first screen, then start reading runs."""
        self.theme = DARK.name
        if constants.DEFAULT_THEME in self.available_themes and constants.DEFAULT_THEME != "textual-dark":
            self.theme = constants.DEFAULT_THEME
        clean_strips()
        # Textual keeps the renderer on the class, which outlives this app where several run in one process.
        ScrollBar.renderer = PlainScrollBar if glyphs().is_ascii else ScrollBarRender
        self.set_class(glyphs().is_ascii, "-ascii")
        self._loop = asyncio.get_running_loop()
        if not self.is_headless:
            self.set_interval(HANGUP_SECONDS, self._check_terminal)
        self.push_screen(RunsScreen())
        self.call_after_refresh(self.follow_runs)

    def on_unmount(self) -> None:
        """End the reading thread."""
        self._is_over = True
        self._wake.set()

    def end(self, exit_code: int) -> None:
        """Quit without a question; may be called from a signal handler and any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(partial(self.exit, return_code=exit_code))

    def on_resize(self) -> None:
        """Write everything again. Textual posts a resize after a suspension, too: the terminal shows something else."""
        self._cells.forget()

    def action_redraw(self) -> None:
        """Write everything again: another program has written to the terminal."""
        self._cells.forget()
        self.refresh()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write the cells that an update of the screen changes; nothing if it changes none."""
        if not isinstance(renderable, LayoutUpdate | ChopsUpdate) or self._batch_count or self.is_headless:
            super()._display(screen, renderable)
            return
        color_system = self.console._color_system or ColorSystem.TRUECOLOR
        text = self._cells.take(renderable, self.size, color_system)
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        if text or cursor != self._previous_cursor_position:
            super()._display(screen, ReadySequence(text))
        else:
            self.post_display_hook()

    def _check_terminal(self) -> None:
        if has_hung_up():
            self.lost_terminal()

    async def on_event(self, event: events.Event) -> None:
        """Drop keys that were typed before the dialog could be read."""
        screen = self.screen_stack[-1] if self.screen_stack else None
        is_new_key = isinstance(event, events.Key) and not event.is_forwarded
        if is_new_key and isinstance(screen, Dialog) and not screen.takes_keys(event.time):
            screen.say_dropped()
            return
        await super().on_event(event)

    @property
    def farewell(self) -> str:
        """The text to print in the terminal after the screen has ended."""
        live = sum(run.state.is_live for run in self.runs)
        return f"{going_on(live)} yoloqat-tui shows them again; workspace {self.workspace}." if live else ""

    def read_soon(self) -> None:
        """Read the runs now, because an action has changed them."""
        self._wake.set()

    @work(thread=True, exclusive=True, group="runs", exit_on_error=False)
    def follow_runs(self) -> None:
        """Read the runs whenever they have changed, until the app ends. One read at a time."""
        worker = get_current_worker()
        version, recheck, follow = -1, 0.0, 0.0
        run_cache = RunCache()
        shown: tuple[RunView, ...] | None = None
        while not (worker.is_cancelled or self._is_over):
            try:
                backend = self._open()
                now, was_woken = time.monotonic(), self._wake.is_set()
                self._wake.clear()
                current = backend.version()
                if was_woken or current != version or now >= recheck:
                    run_cache.apply(backend.changes(run_cache.version))
                    runs = run_cache.listed(archived=self.show_archived)
                    version = current
                    live = any(run.state.is_live for run in runs)
                    recheck = time.monotonic() + (RECHECK_LIVE_SECONDS if live else RECHECK_IDLE_SECONDS)
                    if runs != shown:
                        shown = runs
                        self.post_message(RunsRead(runs))
                if was_woken or now >= follow:
                    backend.follow()
                    live = any(run.state.is_live for run in shown or ())
                    follow = now + (FOLLOW_SECONDS if live else RECHECK_IDLE_SECONDS)
            except YoloqatError as error:
                self.post_message(CallFailed(error, once=True))
            except Exception as error:
                self.post_message(CallFailed(unexpected(error), once=True))
            self._wake.wait(POLL_SECONDS)

    def _open(self) -> Backend:
        if self._backend is None:
            self._backend = self._open_backend()
            self.call_from_thread(self._opened)
        return self._backend

    def _opened(self) -> None:
        self.workspace = self.backend.path
        if self._demo:
            self.guide.launch_demo()

    @on(RunsRead)
    def _show_runs(self, message: RunsRead) -> None:
        before = {run.id: run for run in self.runs}
        self.runs, self.is_read = message.runs, True
        for run in message.runs:
            previous = before.get(run.id)
            if previous is not None and previous.state.is_live and not run.state.is_live:
                self.post_message(RunEnded(run))
        self.guide.runs_changed(message.runs)

    @on(RunEnded)
    def _notify_end(self, message: RunEnded) -> None:
        run = message.run
        is_success = run.state is RunState.SUCCEEDED
        best = f"mAP@.5:.95 {metric(run.best_map)}" if run.best_map is not None else ""
        reason = "" if is_success else run.reason
        details = [part for part in (reason, best, f"after {duration(run.seconds)}") if part]
        self.notify(
            clean(f" {glyphs().dot} ".join(details)),
            title=clean(f"{look(run).sign} {run.name}: {run.state.value}"),
            severity="information" if is_success else "warning",
            markup=False,
        )
        if not is_success:
            self.bell()

    @on(CallFailed)
    def _show_failure(self, message: CallFailed) -> None:
        text = str(message.error)
        if text in self._failures:
            return
        self._failures.add(text)
        self.failure = message.error.what
        self.push_screen(ErrorDialog(message.error), lambda _: None if message.once else self._failures.discard(text))

    def action_help(self) -> None:
        """Show the keys of the current screen."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(getattr(self.screen, "SCOPE", "app")))

    def action_leave(self) -> None:
        """Quit; while runs are live, first ask and say that they continue."""
        live = [run for run in self.runs if run.state.is_live]
        if not live or isinstance(self.screen, QuitDialog):
            self.exit()
        else:
            self.push_screen(QuitDialog(live), lambda leave: self.exit() if leave else None)

    def action_chain(self) -> None:
        """Compare all runs of the current pipeline."""
        run = getattr(self.screen, "run_at_hand", None)
        group = run.group if run is not None else None
        if group is None:
            self.notify("No pipeline is selected: open one of its runs.", severity="warning")
        else:
            self.guide.compare_group(group)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield the commands of the command palette."""
        yield SystemCommand("Launch a pipeline", "Fill in the form of a pipeline and start its runs", self.guide.new)
        for kind in import_logs.KINDS:
            yield SystemCommand(kind.title, kind.about, import_logs.asking(self, kind))
        yield SystemCommand("Help", "The keys of this screen", self.action_help)
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)
        yield SystemCommand("Quit", "Leave the screen; runs go on without it", self.action_leave)
