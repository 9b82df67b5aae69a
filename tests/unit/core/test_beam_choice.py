"""One section says where data-heavy stages run; `auto` decides by the bytes of the input and the memory of the step."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.beam.choice import EXPANSION, choose, chosen, logged, world
from core.beam.memory import usable_bytes
from core.beam.settings import Beam, Runner
from pipelines.config import load

FLINK = Runner(runner="FlinkRunner", options={"flink_master": "localhost:8081"})
GIB = 1 << 30


def test_without_the_section_everything_runs_in_one_process() -> None:
    assert chosen(None, 10**18, 1, "kfp").runner is None


@given(st.integers(0, 1 << 60), st.integers(1, 1 << 50))
def test_auto_never_takes_beam_for_what_fits_and_always_for_what_does_not(size: int, memory: int) -> None:
    choice = chosen(Beam(kfp=FLINK), size, memory, "kfp")
    assert (choice.runner == FLINK) == (size * EXPANSION > memory)
    assert "of input need up to" in choice.reason


def test_a_world_without_a_runner_stays_in_one_process_and_says_so() -> None:
    choice = chosen(Beam(kfp=FLINK), 100 * GIB, GIB, "laptop")
    assert choice.runner is None
    assert "beam.laptop has no runner" in choice.reason


def test_the_engine_can_be_forced_either_way() -> None:
    assert chosen(Beam(engine="in_process", kfp=FLINK), 100 * GIB, GIB, "kfp").runner is None
    assert chosen(Beam(engine="beam", kfp=FLINK), 1, GIB, "kfp").runner == FLINK
    assert chosen(Beam(engine="beam"), 1, GIB, "laptop").runner == Runner(), "one worker in this process"


def test_the_world_is_what_the_platform_sets() -> None:
    assert world({}) == "laptop"
    assert world({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == "kfp"
    assert world({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "CLOUD_ML_PROJECT_ID": "p"}) == "vertex"


def test_the_limit_of_a_container_counts_where_it_is_below_the_machine(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    assert usable_bytes((limit,)) == 1_000_000
    limit.write_text("max\n")
    machine = usable_bytes((tmp_path / "none",))
    assert usable_bytes((limit,)) == machine > 1 << 28
    limit.write_text(str(1 << 62))
    assert usable_bytes((limit,)) == machine


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"options": {"--project": "p"}}, "without dashes|leave out dashes"),
        ({"runner": "FlinkRunner", "workers": 2}, "is for the DirectRunner"),
        ({"work": "ftp://x"}, "should match pattern"),
    ],
)
def test_what_cannot_be_a_runner_is_refused(given: dict[str, object], wanted: str) -> None:
    with pytest.raises(ValidationError, match=wanted):
        Runner.model_validate(given)


def test_the_section_reaches_the_stages_that_read_all_data_and_no_other(tmp_path: Path) -> None:
    text = (Path("usecases/flight_delay/config.yaml")).read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(f"{text}\nbeam:\n  kfp: {{runner: FlinkRunner, options: {{a: 1}}}}\n")
    usecase = load(tmp_path)
    stages = ("compute_statistics", "evaluate_model", "infer_bulk", "ingest_examples", "monitor_model")
    for stage in (*stages, "transform_features"):
        section = usecase.section(stage)
        assert section["beam"]["kfp"]["runner"] == "FlinkRunner", stage
    assert "beam" not in usecase.section("train_model")
    (tmp_path / "config.yaml").write_text(f"{text}\nbeam:\n  kfp: {{runer: FlinkRunner}}\n")
    with pytest.raises(Exception, match=r"beam\.kfp\.runer is not a key here; did you mean 'runner'"):
        load(tmp_path)


def test_a_log_says_the_engine_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    choose(Beam(engine="in_process"), GIB)
    choose(Beam(engine="beam", laptop=Runner(workers=2)), GIB)
    assert logged(capsys.readouterr().out) == "DirectRunner: beam.engine is beam", "the last one"
    assert logged("reading examples") == ""
