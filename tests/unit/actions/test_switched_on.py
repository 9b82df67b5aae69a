"""An optional stage is switched on for one run, by its section and by changes that are checked like a file."""

import pytest

from core.errors import UsageError
from mlops.actions.experiments.switched_on import switched_on
from pipelines.config import find, load


def test_a_change_is_yaml_at_a_dotted_key_and_the_use_case_itself_stays() -> None:
    usecase = load(find("flight_delay"))
    changed = switched_on(
        usecase, "distill_model", ["student.hyperparameters={hidden_units: [8]}", "alpha=0.2", "teacher.members=2"]
    )
    found = changed.distill_model
    assert found.student.hyperparameters == {"hidden_units": [8]}
    assert (found.alpha, found.teacher.members) == (0.2, 2)
    assert usecase.distill_model is None
    again = switched_on(changed, "distill_model", ["student.hyperparameters.embedding=1"])
    assert again.distill_model.student.hyperparameters == {"hidden_units": [8], "embedding": 1}


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ([], "distill_model.student is missing: .* or add --set student=VALUE"),
        (["student={}", "alpha=1.5"], "alpha: wanted the labels' share of the loss, 0 to 1, got 1.5"),
        (["studnt={}"], "no key 'studnt'; did you mean 'student'"),
        (["alpha"], "wanted KEY=VALUE"),
        (["alpha=[1"], "wanted a value in YAML"),
        (["student={}", "teacher.member=2"], r"distill_model.teacher.member: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_named(changes: list[str], wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        switched_on(load(find("flight_delay")), "distill_model", changes)


def test_no_optional_stage_of_training_is_on_by_itself() -> None:
    usecase = load(find("flight_delay"))
    assert not usecase.has("search_model")
    assert not usecase.has("distill_model")
    families = switched_on(usecase, "search_model", ["families=[linear, trees]"]).search_model.families
    assert families == {"linear": (), "trees": ()}
