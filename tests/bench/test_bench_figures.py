"""What the bench makes of seconds, without measuring any."""

from bench.figures import Comparison, Measured, Side, table, take_turns


def sides(log: list[str]) -> tuple[Side, Side]:
    seconds = iter(float(number) for number in range(100))

    def turn(name: str) -> float:
        log.append(name)
        return next(seconds)

    return (
        Side("ours", "does ours", lambda: turn("ours")),
        Side("other", "does other", lambda: turn("other")),
    )


def comparison(ours: list[float], other: list[float], aim: float | None = None) -> Comparison:
    return Comparison("preview", Measured("ours", "a", ours), Measured("other", "b", other), aim)


def test_the_sides_take_turns() -> None:
    log: list[str] = []

    take_turns("preview", *sides(log), rounds=2)

    assert log == ["ours", "other"] * 3


def test_the_first_turn_of_each_side_warms_up_and_is_left_out() -> None:
    found = take_turns("preview", *sides([]), rounds=2)

    assert list(found.ours.seconds) == [2, 4]
    assert list(found.other.seconds) == [3, 5]


def test_each_round_is_told_before_it_begins() -> None:
    told: list[str] = []

    take_turns("preview", *sides([]), rounds=1, tell=told.append)

    assert told == ["preview: warm-up", "preview: round 1 of 1"]


def test_the_ratio_is_that_of_the_medians_so_one_slow_round_does_not_decide_it() -> None:
    assert comparison([2, 2, 90], [1, 1, 1]).ratio == 2


def test_the_table_shows_median_smallest_largest_and_ratio() -> None:
    header, ours, other, *_ = table([comparison([4, 3, 8], [2, 1, 3])]).splitlines()

    assert header.split() == ["seconds", "min", "max", "ratio", "aim"]
    assert ours.split() == ["preview:", "ours", "4.00", "3.00", "8.00", "2.00"]
    assert other.split() == ["preview:", "other", "2.00", "1.00", "3.00"]


def test_the_table_says_whether_an_aim_is_met() -> None:
    assert "<= 2.5 met" in table([comparison([2.5], [1], aim=2.5)])
    assert "<= 2.5 MISSED" in table([comparison([2.6], [1], aim=2.5)])


def test_the_table_says_once_what_each_side_does() -> None:
    text = table([comparison([1], [1]), comparison([1], [1])])

    assert text.endswith("\n\nours: a\nother: b")
