from xml.etree import ElementTree

from benchmarks.promises import goals, picture, summary


def test_medians_are_held_against_the_promises_of_their_size() -> None:
    seconds = {"peer cold": [100.0, 80.0, 90.0], "ours cold": [17.0, 99.0, 15.0], "ours cached": [4.6, 4.5, 4.4]}
    kept = {
        goal.what: (round(goal.measured, 3), goal.kept)
        for goal in [*goals.speed("15000", seconds), *goals.speed("all", seconds)]
    }
    assert kept == {
        "cold, 15000 rows, of the peer's cold time": (0.189, True),
        "cached rerun, 15000 rows, of the peer's cold time": (0.05, True),
        "cold, all rows, of the peer's cold time": (0.189, False),
        "cached rerun, all rows, of the peer's cold time": (0.05, True),
    }
    assert not goals.speed("all", {"ours cold": [1.0], "ours cached": [1.0]})


def test_steps_and_new_months_have_bounds_of_their_own() -> None:
    assert [goal.kept for goal in goals.steps("15000", [{"train_model": 3.4}, {"train_model": 4.0}])] == [False]
    assert goals.steps("all", [{"train_model": 99.0}]) == []
    assert [goal.kept for goal in goals.new_month([11.0, 12.0, 30.0], [15.5, 16.0, 14.0])] == [True, False]


def test_new_months_are_laid_out_in_pairs() -> None:
    found = {
        name: [{"run": run, "answered": run + 1} for run in runs]
        for name, runs in {"waiting": (11.0, 12.0), "own": (22.0, 20.0)}.items()
    }
    speed = {"15000": {"seconds": {"peer cold": [90.0, 92.0, 10.0]}}}
    lines = [" ".join(line.split()) for line in summary.new_month(found, speed).splitlines()]
    assert lines[2:] == [
        "waiting 11.00 12.00",
        "waiting 12.00 13.00",
        "own 22.00 23.00",
        "own 20.00 21.00",
        "waiting workers against own ones, median of the pairs: 0.55",
        "with waiting workers, of the peer's cold run of 15,000 rows, median: 0.128",
    ]
    assert summary.new_month(found, {"15000": {"seconds": {"ours cold": [1.0]}}}).endswith("pairs: 0.55")


def test_the_picture_has_a_bar_for_each_goal_and_says_what_was_measured() -> None:
    machine = {"revision": "abc123", "cpus": 2, "load": 0.1}
    kept = goals.Goal("cold <run>", 0.2, 0.22).as_json()
    drawing = picture.drawn(
        {"goals": [kept, {**kept, "measured": 9.0, "kept": False}], "machine": machine, "when": "2026"}
    )
    root = ElementTree.fromstring(drawing)
    widths = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[1] < widths[2] < widths[0]
    assert "cold &lt;run&gt;" in drawing
    assert "commit abc123, 2 CPUs" in drawing


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
