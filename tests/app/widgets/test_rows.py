"""The rows of the tables, before any widget draws them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from app.runs.query.filter import parse_filter
from app.widgets.base.styled_text import plain, width
from app.widgets.run.epoch_table import epoch_cells
from app.widgets.run.evaluation_table import rows, titles
from app.widgets.run.provenance_pane import about
from app.widgets.run.run_header import pipeline_strip
from app.widgets.run.run_text import best_epoch, epoch_count, fraction, progress_line
from app.widgets.runs.run_rows import NARROW, WIDE, arrange, cells, group_state
from db.views import EventView, RunView
from engine.contracts.attempt_records import GitState, Provenance
from engine.contracts.facts import Progress
from engine.contracts.states import RunState
from tests.app.tui.fakes import NOW, detail, epochs, evaluation, other_runs, pipeline_runs, run

PIPELINE, OTHERS = pipeline_runs(), other_runs()


def names(entries) -> list[str]:
    return [entry.run.name if entry.run else entry.key for entry in entries]


class NothingIndexed:
    """No option and no further metric of any run."""

    def option_values(self, option: str) -> Mapping[str, str | float | None]:
        return {}

    metric_values = option_values


def matching(text: str) -> Callable[[RunView], bool]:
    return parse_filter(text, NothingIndexed()).matches


def line(entry, columns=NARROW) -> str:
    return " ".join(plain(cell).strip() for cell in cells(entry, columns, frozenset(), NOW))


def test_pipelines_stay_together_in_the_order_of_their_steps() -> None:
    entries = arrange((*OTHERS, *reversed(PIPELINE)), None, ())
    assert names(entries)[:6] == [
        "group:relu-int8",
        *(f"relu-{s}" for s in ("retrain", "ptq", "qat", "export", "int8")),
    ]
    assert names(entries)[6:] == ["broken", "gone", "nohup-tiny", "results_act_relu"], "newest first"


def test_folding_hides_the_steps_and_a_filter_shows_them_again() -> None:
    assert names(arrange(PIPELINE, None, {"relu-int8"})) == ["group:relu-int8"]
    assert names(arrange(PIPELINE, matching("ptq"), {"relu-int8"})) == ["group:relu-int8", "relu-ptq"]


def test_the_filter_takes_names_stages_states_and_exclusions() -> None:
    runs = (*PIPELINE, *OTHERS)
    assert names(arrange(runs, matching("OOM"), ())) == ["nohup-tiny"]
    assert names(arrange(runs, matching("failed"), ())) == ["broken"]
    assert names(arrange(runs, matching("retrain -relu"), ())) == ["gone", "nohup-tiny"]
    assert names(arrange(runs, matching("qat running"), ())) == ["group:relu-int8", "relu-qat"]
    assert arrange(runs, matching("no such thing"), ()) == ()


def test_a_row_tells_progress_in_both_widths() -> None:
    entry = next(e for e in arrange(PIPELINE, None, ()) if e.run and e.run.step == "qat")
    assert line(entry) == "qat ● running 7/10 ━━╸─  67% 0.476 e5 ▁▃▅▆▇█ 1h 12m 2h"
    assert "qat ● running" in line(entry, WIDE)
    assert "▁" in line(entry, WIDE)
    for columns in (NARROW, WIDE):
        for column, cell in zip(columns, cells(entry, columns, frozenset(), NOW), strict=True):
            assert column.width is None or width(cell) <= column.width, column.key


def test_every_fixed_cell_fits_its_column_for_every_run() -> None:
    long = run("x" * 60, epochs_done=299, epochs_total=300, state=RunState.RUNNING, eta_seconds=9e5, best_epoch=299)
    for entry in arrange((*PIPELINE, *OTHERS, long), None, ()):
        for columns in (NARROW, WIDE):
            for column, cell in zip(columns, cells(entry, columns, frozenset(), NOW), strict=True):
                assert column.width is None or width(cell) <= column.width, (entry.key, column.key, plain(cell))


def test_a_pipeline_is_what_its_worst_or_busiest_step_is() -> None:
    assert plain(group_state(PIPELINE)) == "● running"
    done, queued = PIPELINE[0], PIPELINE[-1]
    assert plain(group_state([done, done])) == "✓ done"
    assert plain(group_state([done, queued])) == "◌ queued"
    blocked = run("b", state=RunState.DEPENDENCY_FAILED)
    assert plain(group_state([done, run("a", state=RunState.FAILED), blocked])) == "✗ failed"


def test_epochs_are_counted_from_one_while_they_run() -> None:
    view = PIPELINE[2]
    assert epoch_count(view) == "7/10"
    assert abs((fraction(view) or 0) - (6 + 812 / 1200) / 10) < 1e-9
    assert epoch_count(run("a", epochs_done=10, epochs_total=300, state=RunState.STOPPED)) == "10/300"


def test_the_bar_is_inside_the_epoch_and_fits_any_width() -> None:
    for columns in (60, 80, 120, 200):
        text = plain(progress_line(PIPELINE[2], columns))
        assert "68%  812/1200" in text
        assert len(text) <= columns
    assert "3.41it/s  1m 54s left  run ends in 1h 12m" in plain(progress_line(PIPELINE[2], 120))


def test_calibration_without_epochs_has_a_bar_too() -> None:
    ptq = run("p", stage="ptq", state=RunState.RUNNING, epochs_done=None, epochs_total=None)
    ptq = ptq.__class__(**{**vars(ptq), "progress": Progress("calibrate", 12, 26)})
    assert plain(progress_line(ptq, 80)).startswith("calibrate  ━")
    assert " 46%  12/26" in plain(progress_line(ptq, 80))


def test_epoch_cells_are_the_printed_digits_and_the_first_best_is_the_best() -> None:
    seed = epochs(30, 29)
    best = best_epoch(seed)
    assert best is not None
    shown = [plain(cell) for cell in epoch_cells(best, True)]
    assert shown[0] == "★"
    assert shown[1] == f"{best.epoch}/29"
    assert shown[2:] == [n.text for n in best.values.values()]
    flat = (*epochs(1, 2, 0.4), *epochs(1, 2, 0.4))
    assert best_epoch(flat) is flat[0]


def test_evaluations_stand_side_by_side_with_pycocotools_twelve() -> None:
    pair = (evaluation(0, "last", "runs/w/last.pt", 0.476), evaluation(1, "best", "runs/w/best.pt", 0.4767))
    table = rows(pair)
    assert titles(pair) == ["last.pt", "best.pt"]
    assert [plain(c) for c in table["YOLOv7:mAP@.5:.95"]] == ["mAP@.5:.95", "0.476", "0.477"]
    assert sum(key.startswith("pycocotools:") for key in table) == 12
    assert plain(table["pycocotools:APs"][1]) == "0.335"


def test_two_evaluations_of_one_label_are_told_apart_by_file() -> None:
    pair = (evaluation(0, "PTQ", "w/max.pt", 0.4), evaluation(1, "PTQ", "w/mse.pt", 0.4))
    assert titles(pair) == ["PTQ max.pt", "PTQ mse.pt"]


def test_about_tells_command_files_options_and_what_to_do() -> None:
    live = detail(PIPELINE[2])
    code = Provenance(
        python="3.11.7", git=GitState(commit="abcdef0123456789", branch="main", dirty=True, diff_bytes=3200)
    )
    text = "\n".join(plain(cell) for cell in about(live, "/w/runs/x", code))
    assert "abcdef012345 on main  uncommitted changes: 3.20 kB" in text
    assert "yoloqat stop relu-qat" in text
    assert "python -P -m engine retrain --epochs 30" in text
    assert "75.6 MB" in text
    assert "batch_size  12" in text
    stopped = run("s", state=RunState.STOPPED, ended_at=NOW + timedelta(minutes=1))
    assert "Run again" in "\n".join(plain(cell) for cell in about(detail(stopped), "/w"))


def test_the_strip_of_steps_keeps_the_current_one_in_sight() -> None:
    whole, places = pipeline_strip(PIPELINE, PIPELINE[2].id, 80)
    assert plain(whole).rstrip() == "✓ retrain → ✓ ptq → ● qat → ◌ export → ◌ int8"
    start, end, run_id = places[2]
    assert plain(whole)[start:end] == "● qat"
    assert run_id == PIPELINE[2].id
    assert "● qat" in plain(pipeline_strip(PIPELINE, PIPELINE[2].id, 22)[0])


def test_about_tells_whose_log_was_imported_and_whether_it_may_be_relied_upon() -> None:
    told = (EventView("log format", {"dialect": "trtexec", "first_epoch": 0}),)
    imported = replace(detail(run("t")), events=told, imported_from="/logs/trt.txt")
    assert "as trtexec (unverified)" in [plain(cell) for cell in about(imported, "/w")]
