"""Which columns are shown, and how wide."""

from app.widgets.base.columns import Column, place

NAME = Column("name", "NAME", minimum=6, fills=True)
STATE = Column("state", "STATE", width=8)
LOSS = Column("loss", "box_loss", short="box", width=None, priority=2)
AGE = Column("age", "AGE", width=3, priority=1)


def titles(columns, natural, available, skipped=0):
    return [placed.title for placed in place(columns, natural, available, skipped).columns]


def test_every_width_is_used_exactly() -> None:
    for available in range(30, 120):
        placement = place((NAME, STATE, AGE), {"name": 9}, available)
        used = sum(placed.width for placed in placement.columns) + placement.gap * (len(placement.columns) - 1)
        assert used == available


def test_gaps_shrink_before_titles_and_titles_before_columns() -> None:
    columns, natural = (NAME, STATE, LOSS, AGE), {"name": 6, "loss": 7}
    assert place(columns, natural, 6 + 8 + 8 + 3 + 6).gap == 2
    tight = place(columns, natural, 6 + 8 + 8 + 3 + 3)
    assert (tight.gap, [p.title for p in tight.columns]) == (1, ["NAME", "STATE", "box_loss", "AGE"])
    assert titles(columns, natural, 6 + 8 + 7 + 3 + 3) == ["NAME", "STATE", "box", "AGE"]


def test_columns_go_by_priority_and_are_named() -> None:
    columns, natural = (NAME, STATE, LOSS, AGE), {"name": 6, "loss": 7}
    assert place(columns, natural, 20).hidden == ("box_loss",)
    assert place(columns, natural, 16).hidden == ("box_loss", "AGE")
    assert titles(columns, natural, 4) == ["NAME", "STATE"], "columns of priority 0 never go"


def test_a_flexible_column_shrinks_only_when_it_must() -> None:
    wide = place((NAME, STATE), {"name": 12}, 30)
    assert wide.columns[0].width == 30 - 8 - 2
    narrow = place((NAME, STATE), {"name": 12}, 16)
    assert narrow.columns[0].width == 16 - 8 - 1


def test_scrollable_columns_are_entered_where_asked_and_say_what_is_aside() -> None:
    runs = tuple(Column(f"r{i}", f"run{i}", width=10, frozen=False) for i in range(5))
    columns = (Column("row", "", width=8), *runs)
    first = place(columns, {}, 34)
    assert [p.title for p in first.columns] == ["", "run0", "run1"]
    assert (first.more_left, first.more_right) == (False, True)
    last = place(columns, {}, 34, skipped=4)
    assert [p.title for p in last.columns] == ["", "run4"]
    assert (last.more_left, last.more_right) == (True, False)
    assert [p.title for p in place(columns, {}, 5, skipped=99).columns] == ["", "run4"], "never all scrolled away"
