"""tqdm cuts a row at the terminal's width: whatever still stands of it is read, and nothing wrong."""

import re
from collections.abc import Callable, Mapping

import pytest

from engine.contracts.facts import EpochRow, ValidationRow
from engine.logs.parser import LogParser

Texts = dict[int, dict[str, str]]
EPOCHS = 3


def bar(done: int, total: int) -> str:
    return f"{100 * done // total:3d}%|{'█' * (10 * done // total):10s}| {done}/{total} [00:0{done}<00:00,  2.00it/s]"


def yolov7(width: int) -> str:
    lines = [("%10s" * 8) % ("Epoch", "gpu_mem", "box", "obj", "cls", "total", "labels", "img_size")]
    log = "Starting training for 3 epochs...\n"
    for epoch in range(EPOCHS):
        row = ("%10s" * 2 + "%10.4g" * 6) % (
            f"{epoch}/2",
            "7.35G",
            0.0908 - epoch / 99,
            0.03,
            0.02,
            0.1408,
            24 + epoch,
            640,
        )
        titles = ("%20s" + "%12s" * 6) % ("Class", "Images", "Labels", "P", "R", "mAP@.5", "mAP@.5:.95")
        values = ("%20s" + "%12i" * 2 + "%12.3g" * 4) % (
            "all",
            100,
            479,
            0.508 + epoch / 99,
            0.4,
            0.454,
            0.203 + epoch / 99,
        )
        log += f"\n{lines[0]}\n" + drawn(row, width) + drawn(titles, width) + f"{values}\n"
    return log + "3 epochs completed in 0.123 hours.\n"


def yolov5(width: int) -> str:
    header = ("%11s" * 7) % ("Epoch", "GPU_mem", "box_loss", "obj_loss", "cls_loss", "Instances", "Size")
    log = "Starting training for 3 epochs...\n"
    for epoch in range(EPOCHS):
        row = ("%11s" * 2 + "%11.4g" * 5) % (f"{epoch}/2", "2.35G", 0.05 - epoch / 999, 0.04, 0.02, 24 + epoch, 640)
        titles = ("%22s" + "%11s" * 6) % ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")
        values = ("%22s" + "%11i" * 2 + "%11.3g" * 4) % ("all", 100, 479, 0.5 + epoch / 99, 0.4, 0.45, 0.2 + epoch / 99)
        log += f"\n{header}\n" + drawn(row, width) + drawn(titles, width) + f"{values}\n"
    return log + "3 epochs completed in 0.021 hours.\n"


def ultralytics(width: int) -> str:
    header = ("%11s" * 7) % ("Epoch", "GPU_mem", "box_loss", "cls_loss", "dfl_loss", "Instances", "Size")
    log = "Starting training for 3 epochs...\n"
    for epoch in range(1, EPOCHS + 1):
        row = ("%11s" * 2 + "%11.4g" * 5) % (f"{epoch}/3", "3.26G", 1.305 - epoch / 99, 2.04, 1.512, 24 + epoch, 640)
        titles = ("%22s" + "%11s" * 6) % ("Class", "Images", "Instances", "Box(P", "R", "mAP50", "mAP50-95)")
        values = ("%22s" + "%11i" * 2 + "%11.3g" * 4) % ("all", 100, 479, 0.5 + epoch / 99, 0.4, 0.45, 0.2 + epoch / 99)
        log += f"\n{header}\n" + drawn(row, width) + drawn(titles, width) + f"{values}\n"
    return log + "3 epochs completed in 0.021 hours.\n"


def drawn(description: str, width: int) -> str:
    """Two redraws of a bar, as tqdm cuts them."""
    return "".join(f"\r{f'{description}: {bar(done, 4)}'[:width]}" for done in (1, 4)) + "\n"


def epochs(log: str) -> Texts:
    parser = LogParser()
    texts: Texts = {}
    for fact in [*parser.feed(log.encode()), *parser.finish()]:
        if isinstance(fact, EpochRow | ValidationRow) and fact.epoch is not None:
            texts.setdefault(fact.epoch, {}).update(fact.values)
    return texts


@pytest.mark.parametrize("printed", [yolov7, yolov5, ultralytics])
def test_every_epoch_and_its_map_survive_any_width(printed: Callable[[int], str]) -> None:
    whole = epochs(printed(999))
    assert len(whole) == EPOCHS
    assert all(len(texts) >= 10 for texts in whole.values())
    for width in range(40, 251):
        cut = epochs(printed(width))
        assert cut.keys() == whole.keys(), width
        for epoch, texts in cut.items():
            assert texts.items() <= whole[epoch].items(), f"{width}: a value that is cut is absent, not wrong"
            assert "mAP@.5:.95" in texts, width


def without_row(log: str, number: int) -> str:
    rows = list(re.finditer(r"^ +all .*\n", log, re.MULTILINE))
    return log[: rows[number].start()] + log[rows[number].end() :]


@pytest.mark.parametrize("printed", [yolov7, yolov5, ultralytics])
@pytest.mark.parametrize("number", [1, 2])
def test_a_lost_row_moves_no_other_row(printed: Callable[[int], str], number: int) -> None:
    log = printed(999)
    whole, lost = epochs(log), epochs(without_row(log, number))
    assert lost.keys() == whole.keys()
    for place, epoch in enumerate(whole):
        expected: Mapping[str, str] = whole[epoch]
        if place == number:
            expected = {key: text for key, text in expected.items() if key not in ("P", "R", "mAP@.5", "mAP@.5:.95")}
        assert lost[epoch] == expected, epoch


@pytest.mark.parametrize("final_tests", [0, 1, 2])
def test_rows_that_stand_before_the_epochs_are_theirs(final_tests: int) -> None:
    log = yolov7(999)
    rows = re.findall(r"^ +all .*\n", log, re.MULTILINE)
    stderr = re.sub(r"^ +all .*\n", "", log, flags=re.MULTILINE)
    assert epochs("".join(rows + rows[-1:] * final_tests) + stderr) == epochs(log)


def test_rows_whose_count_is_another_are_given_to_no_epoch() -> None:
    log = yolov7(999)
    rows = re.findall(r"^ +all .*\n", log, re.MULTILINE)
    stderr = re.sub(r"^ +all .*\n", "", log, flags=re.MULTILINE)
    for wrong in (rows[:-1], rows * 3):
        assert not any("mAP@.5:.95" in texts for texts in epochs("".join(wrong) + stderr).values())
