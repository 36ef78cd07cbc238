"""`compare` tells which differences are noise."""

from tests.app.cli.conftest import Cli
from tests.app.comparing.noisy_chain import add_chain

RUNS = ("float", "calibrated", "int8")


def test_noise_is_marked_and_explained(cli: Cli) -> None:
    add_chain(cli.workspace)
    first = cli("compare", *RUNS, COLUMNS="120")
    assert "resampling the images of 3 evaluations, once" in first.err
    lines = first.out.splitlines()
    ptq, int8 = (next(line.split() for line in lines if line.strip().startswith(step)) for step in ("PTQ", "└ ONNX"))
    assert sum(cell.endswith("~") for cell in ptq) == 2, "to its parent and to float, which are the same"
    assert any("…+" in cell for cell in ptq), "on both sides of zero"
    assert not any(cell.endswith("~") for cell in int8)
    assert any(cell.startswith("−") and "…−" in cell for cell in int8)
    assert "~ noise: may be the choice of images" in first.out
    again = cli("compare", *RUNS, COLUMNS="120")
    assert (again.out, "resampling" in again.err) == (first.out, False)
    assert max(map(len, cli("compare", *RUNS, COLUMNS="80").out.splitlines()[:4])) <= 80


def test_json_has_the_interval(cli: Cli) -> None:
    add_chain(cli.workspace)
    document = cli("compare", *RUNS, "--json").json()
    cells = next(row for row in document["metrics"] if row["key"] == "mAP@.5:.95")["cells"]
    assert [cell["is_noise"] for cell in cells] == [False, True, False]
    assert cells[2]["low"] < cells[2]["delta"] < cells[2]["high"] < 0
    assert document["chain"][2]["noise_float"] == {"low": cells[2]["low"], "high": cells[2]["high"]}


def test_no_noise_resamples_nothing(cli: Cli) -> None:
    add_chain(cli.workspace)
    answer = cli("compare", *RUNS, "--no-noise")
    assert "resampling" not in answer.err
    assert "~" not in answer.out
    assert not cli.workspace.noise.exists()
