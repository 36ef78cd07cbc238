"""`show` and `compare` tell where a number came from."""

import shutil
from pathlib import Path

from tests.app.cli.conftest import Cli
from tests.conftest import REPOSITORY

PAIRS = REPOSITORY / "tests" / "fixtures" / "pairs"


def test_show_marks_the_columns_of_a_file_of_results(cli: Cli) -> None:
    cli("import", str(PAIRS / "ultralytics.txt"))
    shown = cli("show", "ultralytics").out.splitlines()
    assert "best      mAP@.5:.95 0.3412 in epoch 2, from results.csv" in shown
    assert f"results   {PAIRS / 'ultralytics.results.csv'} (3 epochs)" in shown
    at = next(i for i, line in enumerate(shown) if line.startswith("EPOCH"))
    assert " ".join(shown[at].split()) == "EPOCH box_loss° cls_loss° dfl_loss° P° R° mAP@.5° mAP@.5:.95°"
    assert shown[at + 1].split()[-1] == "0.000875'"
    assert shown[at + 2].split()[-1] == "0.34123"
    assert shown[at + 4] == "° from results.csv, ' log"


def test_json_tells_the_source_of_each_number(cli: Cli) -> None:
    cli("import", str(PAIRS / "yolov7.txt"))
    document = cli("show", "yolov7", "--json").json()
    assert document["run"]["best_map"] == {"text": "0.4781", "value": 0.4781, "source": "results.txt"}
    values = document["epochs"][1]["values"]
    assert values["mAP@.5:.95"] == {"text": "0.4776", "value": 0.4776, "source": "results.txt"}
    assert {key for key, number in values.items() if number["source"] == "log"} == {"seconds"}
    path = str(PAIRS / "yolov7.results.txt")
    assert document["results"] == [{"path": path, "source": "results.txt", "epochs": 3, "problem": ""}]
    best = {row["key"]: row["cells"] for row in cli("compare", "yolov7", "--json").json()["metrics"]}
    assert (best["mAP@.5:.95"][0]["source"], best["read from"][0]["text"]) == ("results.txt", "results.txt")


def test_a_file_of_another_run_is_told(cli: Cli, tmp_path: Path) -> None:
    shutil.copy(PAIRS / "yolov7.txt", tmp_path / "train.log")
    (tmp_path / "results.txt").write_text((PAIRS / "yolov7.results.txt").read_text().replace("0.4776", "0.4677"))
    cli("import", str(tmp_path / "train.log"))
    shown = cli("show", "train").out
    why = "not of this run: in epoch 1, mAP@.5:.95 is 0.478 in the log and 0.4677 there"
    assert f"aside     {tmp_path / 'results.txt'}: {why}\n" in shown
    assert "°" not in shown
    assert cli("show", "train", "--json").json()["events"][-1]["kind"] == "warning"
