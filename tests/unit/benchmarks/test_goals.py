from benchmarks import goals, summary


def test_medians_are_held_against_the_promises_of_their_size() -> None:
    seconds = {"peer cold": [100.0, 80.0, 90.0], "ours cold": [44.0, 99.0, 40.0], "ours cached": [4.6, 4.5, 4.4]}
    kept = {
        goal.what: (round(goal.measured, 3), goal.kept)
        for goal in [*goals.speed("15000", seconds), *goals.speed("all", seconds)]
    }
    assert kept == {
        "cold, 15000 rows, of the peer's cold time": (0.489, True),
        "cached rerun, 15000 rows, of the peer's cold time": (0.05, True),
        "cold, all rows, of the peer's cold time": (0.489, False),
        "cached rerun, all rows, of the peer's cold time": (0.05, True),
    }
    assert not goals.speed("all", {"ours cold": [1.0], "ours cached": [1.0]})


def test_memory_has_a_bound_and_may_not_grow_with_the_rows() -> None:
    assert [goal.kept for goal in goals.memory({"all": 3000.0, "x10": 3950.0})] == [True, False]
    assert [goal.measured for goal in goals.memory({"all": 3100.0})] == [3100.0]


def test_what_the_peer_does_not_do_is_taken_off_and_what_is_outside_of_steps_is_named() -> None:
    found = {
        "rows": {"train": 3, "eval": 1},
        "seconds": {"ours cold": [50.0], "peer cold": [100.0]},
        "steps": {"ours cold": [{"train_model": 20.0, "validate_infra": 5.0}], "peer cold": [{"Trainer": 60.0}]},
    }
    lines = [" ".join(line.split()) for line in summary.speed("15000", found).splitlines()]
    assert "ours cold 45.00 s 0.450 of the peer's cold run without validate_infra" in lines
    assert lines[lines.index("where the time of ours cold goes (50.00 s)") + 1] == "imports, start, end 25.00 s"
    assert lines[lines.index("where the time of peer cold goes (100.00 s)") + 1] == "imports, start, end 40.00 s"
