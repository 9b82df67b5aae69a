"""A pipeline ends with the result, with the worker's own error, or with what to check, whatever dies or is missing."""

import json
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import apache_beam as beam
import pytest

from adapters.beam_flags import flags, packages
from adapters.beam_run import RunnerUnreachable, run
from adapters.beam_work import Keep, distributed, gathered, seen_by_workers, work_folder
from adapters.forkable import is_forkable
from core.beam import code_wheel
from core.beam.settings import Runner
from core.errors import ConfigError, CorruptArtifact, MlopsError
from tests import forked_workers
from tests.dying_worker import die, whereabouts
from tests.free_port import free_port


class _Raise(beam.DoFn):
    def process(self, name: str) -> None:
        raise CorruptArtifact(f"{name}: wanted sha256:a, got sha256:b;\nrun ingest_examples again")


def _numbers(folder: Path) -> dict[int, int]:
    """Read what was kept; a worker that dies leaves a file behind that it had not renamed."""
    return {int(path.name): int(path.read_bytes()) for path in folder.iterdir() if path.name.isdecimal()}


def test_a_worker_that_dies_is_replaced_and_the_result_is_the_same(tmp_path: Path) -> None:
    """In a program of its own, whose workers are forks of one process that has imported what it has."""
    command = [sys.executable, "-m", forked_workers.__name__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "marker").exists()
    assert _numbers(tmp_path / "squares") == {number: number * number for number in range(20)}
    workers = _numbers(tmp_path / "workers")
    assert said["could_fork"], "what Beam imports starts no thread"
    assert len(workers) >= 2
    [parent] = set(workers.values())
    assert said["process"] not in {parent, *workers}
    assert not Path(f"/proc/{parent}").exists(), "it ended with the pipeline"


@pytest.mark.nightly("a new process that imports what this one has imported")
def test_a_process_with_threads_has_workers_of_a_new_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        assert not is_forkable()

        def build(pipeline: beam.Pipeline) -> None:
            numbers = pipeline | beam.Create(range(20), reshuffle=False) | beam.Reshuffle()
            _ = numbers | beam.Map(whereabouts) | beam.ParDo(Keep(tmp_path))

        run(Runner(workers=2), build)
    workers = _numbers(tmp_path)
    assert len(workers) == 2
    assert len(set(workers.values())) == 1


@pytest.mark.nightly("a start of worker processes, each of which imports Beam")
@pytest.mark.known_failure(30)
def test_a_worker_that_always_dies_ends_the_run(tmp_path: Path) -> None:
    def build(pipeline: beam.Pipeline) -> None:
        _ = pipeline | beam.Create([1, 2]) | beam.Map(die)

    with pytest.raises(RuntimeError, match="a worker process of Beam died"):
        run(Runner(workers=2, attempts=1), build)


def test_elements_come_when_what_is_before_them_has_been_kept(tmp_path: Path) -> None:
    first = tmp_path / "first"

    def seen(number: int) -> tuple[str, bytes]:
        return str(number), ",".join(sorted(path.name for path in first.iterdir())).encode()

    def build(pipeline: beam.Pipeline) -> None:
        kept = distributed(pipeline, "First", [1, 2, 3]) | beam.Map(lambda number: (str(number), b""))
        names = gathered(kept | "Keep first" >> beam.ParDo(Keep(first)), "Names")
        later = distributed(pipeline, "Second", [4, 5], names)
        _ = later | beam.Map(seen) | "Keep second" >> beam.ParDo(Keep(tmp_path / "second"))

    run(Runner(), build)
    found = {path.name: path.read_text() for path in (tmp_path / "second").iterdir()}
    assert found == {"4": "1,2,3", "5": "1,2,3"}


def test_an_error_of_the_project_comes_back_as_it_was_raised() -> None:
    with pytest.raises(CorruptArtifact) as error:
        run(Runner(), lambda root: root | beam.Create(["s3://b/shard.gz"]) | beam.ParDo(_Raise()))
    assert str(error.value) == "s3://b/shard.gz: wanted sha256:a, got sha256:b;\nrun ingest_examples again"


@contextmanager
def _silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("option", ["job_endpoint", "flink_master", "environment_config"])
def test_a_runner_that_is_not_there_fails_in_its_deadline_with_what_to_check(option: str) -> None:
    address = f"localhost:{free_port()}"
    runner = Runner(runner="PortableRunner", options={option: address}, connect_seconds=1)
    with pytest.raises(RunnerUnreachable, match=rf"{option} {address} does not answer.*check that the service is up"):
        run(runner, lambda root: root | beam.Create([1]))


@pytest.mark.known_failure(30)
def test_a_runner_that_never_answers_fails_in_its_deadline() -> None:
    with _silent() as port:
        runner = Runner(runner="PortableRunner", options={"job_endpoint": f"localhost:{port}"}, connect_seconds=1)
        with pytest.raises(RunnerUnreachable, match="does not answer"):
            run(runner, lambda root: root | beam.Create([1]))


def test_flags_of_the_configuration_come_last() -> None:
    runner = Runner(options={"direct_num_workers": 3, "streaming": False, "experiments": ("a", "b"), "dry": True})
    assert flags(runner)[-4:] == ["--direct_num_workers=3", "--dry", "--experiments=a", "--experiments=b"]
    assert "--direct_running_mode=multi_processing" in flags(Runner(workers=2))


def test_workers_elsewhere_get_the_project_and_the_use_case_as_wheels(tmp_path: Path) -> None:
    folder = Path("usecases/flight_delay").absolute()
    project, use_case = packages(Runner(runner="FlinkRunner"), tmp_path, folder)
    names = zipfile.ZipFile(project).namelist()
    assert {"core/beam/settings.py", "components/evaluate_model/with_beam.py", "usecases/__init__.py"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "infra/", "localrun/"))]
    assert "usecases/flight_delay/module.py" in zipfile.ZipFile(use_case).namelist()
    (tmp_path / "again").mkdir()
    assert code_wheel.project(tmp_path / "again").read_bytes() == project.read_bytes(), "equal sources, equal bytes"
    assert packages(Runner(runner="FlinkRunner", code="image"), tmp_path, folder) == []
    assert packages(Runner(workers=2), tmp_path, folder) == []


def test_what_workers_elsewhere_cannot_see_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"do not see the examples {tmp_path}"):
        seen_by_workers(Runner(runner="FlinkRunner"), tmp_path, "the examples")
    assert seen_by_workers(Runner(runner="FlinkRunner", shared_disk=True), tmp_path, "the examples") == tmp_path
    assert seen_by_workers(Runner(runner="FlinkRunner"), Path("/gcs/b/a"), "the examples") == "gs://b/a"
    with work_folder(Runner(runner="FlinkRunner", shared_disk=True), tmp_path) as work:
        assert Path(work).parent == tmp_path
    with pytest.raises(MlopsError), work_folder(Runner(runner="FlinkRunner"), tmp_path):
        raise AssertionError
