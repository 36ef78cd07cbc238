"""The bars must be tqdm's, to the character: parsers and people's eyes know them."""

import io

import pytest

from engine.console.tqdm_bar import Bar, bar_text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("  0/29", 0, 10, 0.0), "  0/29:   0%|          | 0/10 [00:00<?, ?it/s]"),
        (("x", 5, 10, 2.0), "x:  50%|█████     | 5/10 [00:02<00:02,  2.50it/s]"),
        (("x", 10, 10, 4.0), "x: 100%|██████████| 10/10 [00:04<00:00,  2.50it/s]"),
        (("x", 1, 3, 4.0), "x:  33%|███▎      | 1/3 [00:04<00:08,  4.00s/it]"),
        (("", 9857, 9857, 2672.0), "100%|██████████| 9857/9857 [44:32<00:00,  3.69it/s]"),
        (("x", 1, 9857, 1.5), "x:   0%|          | 1/9857 [00:01<4:06:24,  1.50s/it]"),
    ],
)
def test_text_equals_tqdms(arguments: tuple[str, int, int, float], text: str) -> None:
    assert bar_text(*arguments) == text


def test_a_terminal_cuts_the_text_and_keeps_one_cell() -> None:
    desc = "     22/29      7.5G   0.02712   0.04057  0.008842   0.07653       132       640"
    text = bar_text(desc, 9857, 9857, 2672.0, columns=113)
    assert text == f"{desc}: 100%|█| 9857/9857 [44:32<00:00,"
    assert len(bar_text(desc, 9857, 9857, 2672.0, columns=79)) == 79


def test_iterating_ends_with_the_complete_bar_and_a_newline() -> None:
    stream = io.StringIO()
    assert list(Bar([1, 2, 3], desc="scan", file=stream)) == [1, 2, 3]
    *_, last = stream.getvalue().split("\r")
    assert last.startswith("scan: 100%|██████████| 3/3 [00:00<00:00,")
    assert last.endswith("\n")


def test_a_shorter_text_erases_the_longer_one_before_it() -> None:
    stream = io.StringIO()
    bar: Bar[int] = Bar(desc="a long description", total=1, file=stream)
    bar.set_description("short")
    bar.update()
    bar.close()
    first, last = stream.getvalue().split("\r")[1:]
    assert len(last.rstrip("\n")) >= len(first)


def test_a_loop_that_raises_still_ends_the_line() -> None:
    stream = io.StringIO()
    numbers = (10 // n for n in (1, 0))
    with pytest.raises(ZeroDivisionError):
        list(Bar(numbers, total=2, file=stream))
    assert stream.getvalue().endswith("\n")


def test_a_stream_that_cannot_encode_blocks_gets_ascii() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Bar(total=1, file=stream).close()
    stream.seek(0)
    assert "|          |" in stream.read()
