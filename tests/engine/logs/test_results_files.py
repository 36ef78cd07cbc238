"""`results.txt` and `results.csv`: a row is an epoch and its validation, digit by digit."""

import pytest

from engine.contracts.facts import EpochRow, LogFormat, ValidationRow
from tests.engine.logs.printed import HEADER, bar, log, only, read, row
from tests.engine.logs.reading import FIXTURES, columns, final, read_fixture, table, trained, validated

METRICS = ("P", "R", "mAP@.5", "mAP@.5:.95")
TXT = "0/4 1.31G 0.11 0.05 0.03 0.19 37 320 0.1 0.2 0.3 0.25 0.107 0.203 0.029"


def test_results_txt() -> None:
    facts, parser = read_fixture("results.txt")
    losses = ("box", "obj", "cls", "total")
    assert columns(facts) == {("gpu_mem", *losses, "labels", "img_size", "val/box", "val/obj", "val/cls")}
    assert trained(facts) == table("""
        0 4 1.31G 0.1131 0.05038 0.0331 0.1966 37 320 0.1072 0.2028 0.0287
        1 4 1.4G 0.09411 0.0447 nan nan 41 320 0.09981 0.1011 inf
        2 4 1.4G 0.08022 0.0411 0.02011 0.1414 33 320 0.0888 0.0911 0.0201
        3 4 1.4G 0.07511 0.0399 0.01876 0.1338 38 320 0.0879 0.0901 0.0199
    """)
    assert validated(facts) == table("""
        0 0 0 0 0
        1 0.2113 0.3 0.1987 0.09876
        2 0.5121 0.4488 0.4312 0.2222
        3 0.5001 0.4412 0.4299 0.2218
    """)
    assert {tuple(row.values) for row in only(ValidationRow, facts)} == {METRICS}
    assert parser.not_understood == 0


def test_results_csv_of_yolov5_ends_with_the_best_model() -> None:
    facts, parser = read_fixture("results_yolov5.csv")
    losses = ("box_loss", "obj_loss", "cls_loss")
    assert columns(facts) == {(*losses, *(f"val/{name}" for name in losses), "lr/0", "lr/1", "lr/2")}
    assert trained(facts) == table("""
        0 0 0.11841 0.031022 0.02811 0.10911 0.02222 0.02411 0.07 0.0033333 0.0033333
        1 1 0.10212 nan 0.026551 0.09811 0.02111 0.02322 0.04 0.0066 0.0066
        2 2 0.09311 0.033011 0.025892 0.09711 inf 0.02301 0.0101 0.0101 0.0101
    """)
    assert validated(facts) == table("""
        0 0.0027111 0.125 0.0019822 0.00043111
        1 0.43111 0.54222 0.46722 0.21311
        2 0.40222 0.55111 0.45811 0.20722
    """)
    assert [list(row.values.values()) for row in final(facts)] == table("0.42911 0.54011 0.46811 0.21422")
    assert [fact.first_epoch for fact in only(LogFormat, facts)] == [0]
    assert parser.not_understood == 0


def test_results_csv_of_ultralytics_counts_from_1() -> None:
    facts, _ = read_fixture("results_ultralytics.csv")
    losses = ("box_loss", "seg_loss", "cls_loss", "dfl_loss")
    assert columns(facts) == {("time", *losses, "val/box_loss", "val/cls_loss", "lr/0", "lr/1")}
    assert trained(facts) == table("""
        1 1 12.311 1.811 3.022 3.41 1.507 2.01 4.4 0.00055 0.00055
        2 2 23.9 1.633 2.711 2.904 1.442 1.9 3.9 0.0011 0.0011
        3 3 35.477 1.588 2.5 2.377 1.409 nan nan 0.00163 0.00163
    """)
    assert validated(facts) == table("""
        1 0.0102 0.25 0.0187 0.00712 0.0099 0.24 0.0171 0.00611
        2 0.608 0.571 0.633 0.341 0.6 0.56 0.61 0.301
        3 0.577 0.589 0.615 0.33 0.57 0.58 0.6 0.29
    """)
    masks = tuple(f"{name}(M)" for name in METRICS)
    assert {tuple(row.values) for row in only(ValidationRow, facts)} == {(*METRICS, *masks)}
    assert only(LogFormat, facts) == [LogFormat("results.csv", 1)]


@pytest.mark.parametrize(
    ("name", "last"), [("results.txt", "val/cls"), ("results_yolov5.csv", ""), ("results_ultralytics.csv", "lr/1")]
)
def test_a_number_that_the_end_of_the_file_may_have_cut_is_left_out(name: str, last: str) -> None:
    data = (FIXTURES / name).read_bytes().rstrip()
    whole, cut = read(data + b"\n"), read(data[:-1])
    assert cut[:-2] == whole[:-2]
    assert cut[-1] == whole[-1]
    if last:
        assert set(only(EpochRow, whole)[-1].values) - set(only(EpochRow, cut)[-1].values) == {last}


def test_a_row_that_is_cut_further_is_left_out() -> None:
    data = (FIXTURES / "results.txt").read_bytes()
    assert read(data[:-40]) == read(data)[:-2]


@pytest.mark.parametrize(
    "line", [f"{TXT} 1", TXT.replace(" 0.029", ""), TXT.replace("1.31G", "1.31"), TXT.replace("37", "3.7")]
)
def test_a_row_of_another_width_or_kind_is_not_read(line: str) -> None:
    assert only(EpochRow, read(log(line))) == []
    assert len(only(EpochRow, read(log(line, TXT)))) == 1


@pytest.mark.parametrize(
    "titles",
    [
        "epoch,train/box_loss,metrics/precision,metrics/recall,metrics/mAP_0.5",
        "epoch,train/loss,metrics/accuracy_top1,metrics/accuracy_top5",
        "epoch,P,metrics/precision,metrics/recall,metrics/mAP_0.5,metrics/mAP_0.5:0.95",
        "name,metrics/precision,metrics/recall,metrics/mAP_0.5,metrics/mAP_0.5:0.95",
    ],
)
def test_tables_of_something_else_are_not_read(titles: str) -> None:
    count = titles.count(",")
    assert read(log(titles, ",".join(["1", *["0.5"] * count]))) == []


def test_a_line_of_the_csv_that_is_damaged_is_left_out() -> None:
    titles = "epoch,train/box_loss,metrics/precision,metrics/recall,metrics/mAP_0.5,metrics/mAP_0.5:0.95"
    rows = [
        "0,1,.1,.2,.3,.4",
        "1,1,.1,.2,.3",
        "2,1,.1,.2,.3,.4,.5",
        "3,1,.1,.2,,.4",
        "4,x,.1,.2,.3,.4",
        "5,1,.1,.2,.3,.4",
    ]
    assert [row.epoch for row in only(EpochRow, read(log(titles, *rows)))] == [0, 5]


def test_in_the_midst_of_a_log_the_rows_of_a_results_file_are_not_read_again() -> None:
    csv = (FIXTURES / "results_yolov5.csv").read_text().splitlines()
    facts = read(log(HEADER, f"{row(0)}: {bar(3, 3)}", *csv, f"{row(1)}: {bar(3, 3)}"))
    assert [fact.epoch for fact in only(EpochRow, facts)] == [0, 1]
    assert only(ValidationRow, facts) == []
