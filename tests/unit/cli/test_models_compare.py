"""`mlops models compare` shows names and slices in full where its output is read by a program."""

import pytest

from mlops.actions.model_comparison.compared import ComparedModel, Cost, Line, ModelComparison
from mlops.cli.versions.comparison import _print


def test_no_name_is_cut_and_brackets_of_a_value_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = Cost(None, None, None, None)
    before, after = (ComparedModel(f"flight_delay@{number}", "sha256:0", nothing, nothing) for number in (1, 2))
    metric = "sparse_categorical_accuracy"
    _print(
        ModelComparison(
            before, after, "run-1", 400, metric, (-0.1, 0.0, 0.1), "accuracy",
            metrics=(Line(metric, 0.9, 0.8, True),),
            slices=(Line(metric, 0.9, 0.95, True, "carrier=[red]", 40),),
            gaps=(Line(f"{metric} between carriers", 0.1, 0.1, False),),
        )
    )  # fmt: skip
    printed = capsys.readouterr().out
    lines = {line.split("  ")[0]: line.split()[-1] for line in printed.splitlines() if line}
    assert lines[metric] == "worse"
    assert lines["carrier=[red]"] == "better"
    assert lines[f"{metric} between carriers"] == "same"
    assert "flight_delay@1" in printed
    assert "…" not in printed
