"""A pipeline as its user has it: checked first, shown without starting, blocked by a failure, released by a retry."""

from app.launching.stop import run_status
from engine.contracts.states import RunState
from tests.app.cli.conftest import Cli, until

CHAIN = """\
name: chain
inputs:
  word: {help: what is passed on, default: hello}
stages:
  train:
    command: [sh, -c, "[ -e mended ] || exit 3; echo ${inputs.word} > ${run.folder}/best.pt"]
    artifacts: {best: best.pt}
  quantize:
    command: [sh, -c, "cat ${train.best} > ${run.folder}/ptq.pt"]
    artifacts: {weights: ptq.pt}
  export:
    command: [cat, "${quantize.weights}"]
"""
GRID = """\
name: grid
stages:
  batch:
    uses: shapes
    grid: {train_images: [8, 16], image_size: [32, 64]}
    options: {val_images: 4}
"""


def write(cli: Cli, name: str, text: str) -> str:
    path = cli.directory / name
    path.write_text(text)
    return str(path)


def listed(cli: Cli) -> dict[str, tuple[str, str]]:
    return {run["name"]: (run["state"], run["reason"]) for run in cli("ls", "--json").json()["runs"]}


def test_a_dry_run_prints_every_command_line_and_starts_nothing(cli: Cli) -> None:
    shown = cli("pipeline", write(cli, "chain.yaml", CHAIN), "--set", "word=there", "--dry-run")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0] == "# chain-train"
    assert lines[1].startswith("sh -c '[ -e mended ] || exit 3; echo there > ")
    assert lines[2] == "# chain-quantize (after train)"
    assert lines[3].startswith("sh -c 'cat ")
    assert lines[4] == "# chain-export (after quantize)"
    assert lines[5].endswith("/ptq.pt")
    assert list(cli.workspace.runs.iterdir()) == []


def test_a_grid_fans_out_into_runs_of_one_group(cli: Cli) -> None:
    shown = cli("pipeline", write(cli, "grid.yaml", GRID), "--dry-run").out
    commands = [line for line in shown.splitlines() if not line.startswith("#")]
    assert len(commands) == 4
    for images in ("8", "16"):
        for size in ("32", "64"):
            assert len([c for c in commands if f"--train-images {images} " in c and f"--image-size {size}" in c]) == 1


def test_mistakes_are_told_with_file_and_line_before_anything_starts(cli: Cli) -> None:
    path = write(cli, "chain.yaml", CHAIN.replace("train.best", "train.worst").replace("[cat,", "[no-such-program,"))
    refused = cli("pipeline", path)
    assert refused.code == 2
    assert f"{path}:9: " in refused.err
    assert "step `train` leaves no `worst`" in refused.err
    assert not cli.workspace.runs.exists()
    refused = cli("pipeline", write(cli, "odd.yaml", CHAIN.replace("[cat,", "[no-such-program,")))
    assert refused.code == 2
    assert "there is no program 'no-such-program'" in refused.err
    assert list(cli.workspace.runs.iterdir()) == []


def test_a_failure_blocks_what_follows_and_a_retry_releases_it(cli: Cli) -> None:
    assert cli("pipeline", write(cli, "chain.yaml", CHAIN)).code == 0
    runs = [folder.id for folder in cli.workspace.run_folders()]
    until(lambda: not any(run_status(cli.workspace, run).state.is_live for run in runs))
    assert listed(cli) == {
        "chain-train": ("failed", "exit code 3"),
        "chain-quantize": ("dependency failed", "chain-train failed: exit code 3"),
        "chain-export": ("dependency failed", "chain-quantize could not run: chain-train failed: exit code 3"),
    }
    (cli.directory / "mended").touch()
    resumed = cli("resume", "chain-train", "--anew")
    assert resumed.out == "chain-train: attempt 2 starts from the beginning\n"
    until(lambda: all(run_status(cli.workspace, run).state is RunState.SUCCEEDED for run in runs))
    assert cli("log", "chain-export").out == "hello\n"
    assert {run["attempt"] for run in cli("ls", "--json").json()["runs"]} == {2}


def test_the_whole_group_can_be_stopped_and_resumed(cli: Cli) -> None:
    slow = CHAIN.replace("[ -e mended ] || exit 3; ", "[ -e mended ] || sleep 60; ")
    cli("pipeline", write(cli, "chain.yaml", slow))
    runs = sorted(folder.id for folder in cli.workspace.run_folders())
    until(lambda: run_status(cli.workspace, runs[0]).state is RunState.RUNNING)
    assert cli("stop", "chain").code == 0
    until(lambda: not any(run_status(cli.workspace, run).state.is_live for run in runs))
    assert {state for state, _ in listed(cli).values()} == {"stopped"}
    (cli.directory / "mended").touch()
    assert cli("resume", "chain", "--anew").code == 0
    until(lambda: all(run_status(cli.workspace, run).state is RunState.SUCCEEDED for run in runs))
