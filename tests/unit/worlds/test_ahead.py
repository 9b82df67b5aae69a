"""On a laptop the transform is computed beside the data gate; what it makes is nobody's before the gate has passed."""

from pathlib import Path

import pytest

import localrun
from core.beam.settings import Beam, Runner
from localrun.spec.pipeline import Dag
from mlops.worlds.machine.ahead import AHEAD, stages_ahead
from pipelines.compiled import PIPELINES, compile_pipeline
from pipelines.config import USECASES, find, load
from pipelines.kinds import Kind

TRAINING = sorted(name for name, one in PIPELINES.items() if one.kind is Kind.TRAINING)


def _compiled(tmp_path: Path, runner: str, engine: str = "auto") -> localrun.Pipeline:
    usecase = load(find("flight_delay"))
    beam = Beam(engine=engine, laptop=Runner(runner=runner), kfp=Runner(runner="DataflowRunner"))  # type: ignore[arg-type]
    config = usecase.configured("transform_features").model_copy(update={"beam": beam})
    changed = usecase.model_copy(update={"transform_features": config})
    compile_pipeline(changed, "level1", tmp_path / "pipeline.yaml")
    return localrun.load(tmp_path / "pipeline.yaml")


@pytest.mark.parametrize(("runner", "ahead"), [("DirectRunner", AHEAD), ("DataflowRunner", ()), ("FlinkRunner", ())])
def test_a_job_elsewhere_waits_for_the_gate(tmp_path: Path, runner: str, ahead: tuple[str, ...]) -> None:
    assert stages_ahead(_compiled(tmp_path, runner)) == ahead


@pytest.mark.parametrize("usecase", sorted(file.parent.name for file in USECASES.glob("*/config.yaml")))
def test_what_is_ahead_takes_examples_alone_and_waits_for_the_gate(tmp_path: Path, usecase: str) -> None:
    for pipeline in TRAINING:
        compile_pipeline(load(find(usecase)), pipeline, tmp_path / f"{pipeline}.yaml")
        root = localrun.load(tmp_path / f"{pipeline}.yaml").root.implementation
        assert isinstance(root, Dag)
        first = root.tasks["transform-features"]
        assert first.sources < first.upstream
        assert "validate-data" in first.upstream
