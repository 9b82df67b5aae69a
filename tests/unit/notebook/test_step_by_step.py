"""Stages are called one by one as in a pipeline, and what they leave shows itself."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.facts import FactsFile
from artifacts.tuning.tuning import Gain, TrialResult, Tuning
from core.decision import Bound, Check, Decision, Verdict, compare
from core.errors import UsageError
from core.store import Store
from mlops.notebook import StageArtifact, StepByStep, views


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> StepByStep:
    return StepByStep("penguins", store=Store(tmp_path_factory.mktemp("store")))


def test_a_stage_is_given_what_a_pipeline_would_pin(steps: StepByStep) -> None:
    ingested = steps.run("ingest_examples")
    manifest = ExamplesManifest.read(ingested.examples.path)
    assert manifest.spans == (2007, 2008, 2009)
    assert manifest.records("eval") == 120
    assert ingested.examples.type == "system.Dataset"
    assert "span 2009" in ingested._repr_html_()
    assert steps.last is ingested


def test_keys_of_a_section_are_changed_for_one_call_and_checked(steps: StepByStep) -> None:
    changed = steps.run("ingest_examples", config={"split": {"by": "hash", "eval": 50, "validation": 10}})
    assert ExamplesManifest.read(changed.examples.path).split_by == "hash"
    with pytest.raises(ValidationError, match="windw"):
        steps.run("ingest_examples", config={"windw": 1})
    assert steps.usecase.ingest_examples.split.by == "time"


@pytest.mark.parametrize(
    ("stage", "inputs", "message"),
    [
        ("ingest_example", {}, "ingest_examples"),
        ("ingest_examples", {"exmaples": 1}, "ingest_examples has no input 'exmaples'"),
        ("compute_statistics", {}, "needs examples: pass the output of .*ingest_examples"),
        ("collect_evidence", {"first": StageArtifact("decision", "d.json")}, "needs names: pass a value"),
    ],
)
def test_a_wrong_call_names_what_to_pass(
    steps: StepByStep, stage: str, inputs: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        steps.run(stage, **inputs)


def test_an_output_that_a_stage_does_not_have_is_an_attribute_error(steps: StepByStep) -> None:
    scoped = steps.run("scope_use_case")
    assert "Decision: pass" in scoped._repr_html_()
    with pytest.raises(AttributeError, match="scope_use_case has no output 'decison'; did you mean 'decision'"):
        _ = scoped.decison


def test_the_outputs_go_with_their_object(tmp_path: Path) -> None:
    steps = StepByStep("penguins", store=Store(tmp_path))
    path = Path(steps.run("scope_use_case").decision.path)
    assert path.is_file()
    assert path.is_relative_to(tmp_path / "notebooks")
    del steps
    assert not path.exists()


def test_a_decision_shows_what_did_not_pass_first() -> None:
    checks = (compare("rows", 100.0, Bound(at_least=10.0)), compare("auc", 0.5, Bound(at_least=0.6), "carrier=AA"))
    html = Decision.of("evaluate_model", checks)._repr_html_()
    assert html.index("auc &gt;= 0.6") < html.index("rows &gt;= 10")
    assert "carrier=AA" in html
    assert "Decision: fail" in html


def test_names_from_data_are_text_and_never_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    check = Check(rule=bad, slice=bad, observed=bad, threshold=bad, verdict=Verdict.FAIL, next_step=bad)
    shard = Shard(name="a", split=bad, span=1, records=1, sha256="")
    manifest = ExamplesManifest(
        source=bad, data="", spans=(1,), wanted_spans=1, split_by=bad, rejected=0, shards=(shard,)
    )
    (tmp_path / bad.replace("/", "")).write_text("")
    shown = [
        Decision.of("gate", (check,))._repr_html_(),
        manifest._repr_html_(),
        _tuning(bad)._repr_html_(),
        views.artifact(bad, str(tmp_path), {}),
        views.artifact(bad, str(tmp_path / "nothing"), {bad: 1.0}),
    ]
    assert not [html for html in shown if "<script" in html]


def _tuning(name: str) -> Tuning:
    trial = TrialResult(
        number=1, hyperparameters={name: name}, epochs=1, epochs_run=1, rung=0, bracket=0, skill=0.5, failure=name
    )
    gain = Gain(tuned=0.5, default=0.5, value=0.0, low=None, high=None)
    return Tuning(
        method=name,
        skill=name,
        spans=(1,),
        held_back=2,
        rows=9,
        space={name: name},
        default={},
        default_skill=0.5,
        trials=(trial,),
        best=1,
        gains={},
        gain=gain,
        on_bounds=(),
        applied=False,
    )


def test_a_file_of_facts_shows_its_lists_as_tables(tmp_path: Path) -> None:
    tuning = _tuning("bayesian")
    tuning.write(tmp_path)
    html = StageArtifact("tuning", str(tmp_path))._repr_html_()
    assert "bayesian" in html
    assert "<th>hyperparameters</th>" in html
    assert "held_back" in html


def test_every_file_of_facts_has_a_view() -> None:
    for file, place in views.FACTS.items():
        module, _, name = place.partition(":")
        kind = getattr(__import__(module, fromlist=[name]), name)
        assert file == kind.FILE
    of_stages = [kind for kind in FactsFile.__subclasses__() if kind.__module__.startswith("artifacts.")]
    assert {kind.FILE for kind in of_stages} <= set(views.FACTS)
