"""Failures that other systems had: each has a test here or elsewhere, linked by its number with docs/reliability.md.

`@pytest.mark.known_failure(12)` gives a test the number of a row of the table there.
"""

import ast
import re
import threading
from collections import defaultdict
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pytest
from kfp import compiler, dsl

import localrun
from core import objects
from core.backends.local_registry import LocalRegistry
from core.errors import UsageError
from pipelines.triggers import Trigger
from tests.rooms import ROOT, SHIPPED
from tests.unit.triggers.conftest import Rules, Station

PAGE = ROOT / "docs" / "reliability.md"
SOURCES = [path for room in SHIPPED for path in sorted((ROOT / room).rglob("*.py"))]
_LINK = re.compile(r"\[`?(?P<name>test_\w+)`?\]\(\.\./(?P<path>[\w/]+\.py)\)")


def _marked(path: Path) -> dict[str, set[int]]:
    """Return the numbers in the marks of a file's tests, by the names of the tests."""
    found: dict[str, set[int]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            marks = [ast.unparse(one) for one in node.decorator_list]
            numbers = [re.fullmatch(r"pytest\.mark\.known_failure\(([\d, ]+)\)", one) for one in marks]
            found[node.name] = {int(number) for match in numbers if match for number in match[1].split(",")}
    return found


def _rows() -> dict[int, str]:
    found = re.findall(r"^\| (\d+) \|(.*)$", PAGE.read_text(encoding="utf-8").partition("## Known failures")[2], re.M)
    return {int(number): text for number, text in found}


def test_every_known_failure_has_a_test_and_both_have_its_number() -> None:
    rows = _rows()
    assert sorted(rows) == list(range(1, 36))
    linked: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, text in rows.items():
        links = [*_LINK.finditer(text)]
        assert links, f"row {number} names no test"
        for link in links:
            linked[link["path"], link["name"]].add(number)
    marked = {
        (path.relative_to(ROOT).as_posix(), name): numbers
        for folder in ("tests", "localrun/tests")
        for path in (ROOT / folder).rglob("test_*.py")
        for name, numbers in _marked(path).items()
        if numbers
    }
    assert marked == linked


@pytest.fixture
def steps(tmp_path: Path) -> localrun.Environment:
    """A folder in which plain commands run."""
    return localrun.Environment(cwd=tmp_path, sources={"*": ()})


def _run(pipeline: object, steps: localrun.Environment) -> localrun.Run:
    assert steps.cwd is not None
    folder = Path(steps.cwd)
    compiler.Compiler().compile(pipeline, str(folder / "pipeline.yaml"))
    return localrun.run(folder / "pipeline.yaml", {}, store=folder / "store", environments={"alpine": steps})


@pytest.mark.nightly("a thousand tasks")
@pytest.mark.known_failure(10)
def test_five_hundred_iterations_and_loops_in_an_exit_handler_end(steps: localrun.Environment) -> None:
    @dsl.container_component
    def step(item: int) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="alpine", command=["true"], args=[item])

    @dsl.container_component
    def last() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="alpine", command=["true"])

    @dsl.pipeline(name="loops")
    def pipeline() -> None:
        with (
            dsl.ExitHandler(last()),
            dsl.ParallelFor(list(range(500))) as outer,
            dsl.ParallelFor([1, 2]) as inner,
        ):
            step(item=outer)
            step(item=inner)

    run = _run(pipeline, steps)
    assert run.state is localrun.State.SUCCEEDED
    assert len(run.tasks) >= 2001


@pytest.mark.known_failure(11)
def test_what_a_failed_attempt_wrote_is_not_what_the_next_task_reads(steps: localrun.Environment) -> None:
    assert steps.cwd is not None
    seen = Path(steps.cwd) / "seen"

    @dsl.container_component
    def flaky(data: dsl.Output[dsl.Dataset]) -> dsl.ContainerSpec:
        again = 'if [ -e "$1" ]; then echo second > "$0/b"; else touch "$1"; echo first > "$0/a"; exit 1; fi'
        command = ["sh", "-c", f'mkdir "$0"; {again}']
        return dsl.ContainerSpec(image="alpine", command=command, args=[data.path, str(seen)])

    @dsl.container_component
    def reader(data: dsl.Input[dsl.Dataset], text: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        script = 'cat "$0"/* > "$1"'
        return dsl.ContainerSpec(image="alpine", command=["sh", "-c", script], args=[data.path, text])

    @dsl.pipeline(name="retried")
    def pipeline() -> str:
        made = flaky().set_retry(1, backoff_duration="0s")
        return reader(data=made.outputs["data"]).outputs["text"]

    run = _run(pipeline, steps)
    assert run.state is localrun.State.SUCCEEDED, [task.error for task in run.tasks]
    assert run.task("flaky").attempts == 2
    assert run.outputs.parameters == {"Output": "second\n"}
    assert [path.name for path in run.task("flaky").outputs.artifacts["data"].path.iterdir()] == ["b"]


@pytest.mark.known_failure(24)
def test_a_trigger_that_is_edited_while_its_run_goes_on_starts_no_other_one(tmp_path: Path) -> None:
    station = Station(tmp_path, rules=Rules({"flights": Trigger()}))

    class Stopped(BaseException):
        pass

    def stop(_: str) -> None:
        raise Stopped

    station.launcher.finish = stop  # type: ignore[assignment,method-assign]
    station.take("a")
    with pytest.raises(Stopped):
        station.dispatcher.work()
    edited = Station(tmp_path, rules=Rules({"flights": Trigger(debounce_seconds=5, pipeline="level0")}))
    edited.take("a")
    edited.work()
    assert (edited.states(), len(edited.launcher.starts)) == (["done"], 1)


@pytest.mark.known_failure(25)
def test_arrow_is_never_imported_before_its_hotfix() -> None:
    late = []
    for path in SOURCES:
        imported = [
            name
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        ]
        arrow = [name for name in imported if name.split(".")[0] == "pyarrow"]
        if arrow and "pyarrow_hotfix" not in imported[: imported.index(arrow[0])]:
            late.append(path.relative_to(ROOT).as_posix())
    assert not late


@pytest.mark.known_failure(25)
def test_a_type_that_would_be_unpickled_is_refused(tmp_path: Path) -> None:
    class Planted(pa.PyExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.int64())

        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path, (str(tmp_path / "ran"),)

    table = pa.table({"x": pa.ExtensionArray.from_storage(Planted(), pa.array([1]))})
    with pa.OSFile(str(tmp_path / "x.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(RuntimeError, match="Disallowed deserialization"):
        pa.ipc.open_file(str(tmp_path / "x.arrow")).read_all()


@pytest.mark.known_failure(28)
def test_readers_never_see_half_of_what_is_written_meanwhile(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "models")
    for weights in ("one", "two"):
        saved = tmp_path / weights
        (saved / "variables").mkdir(parents=True)
        (saved / "saved_model.pb").write_text("graph")
        (saved / "variables" / "variables.index").write_text(weights)
        registry.publish("m", saved, {})
    registry.promote("m", 1)
    digests = {version.digest for version in registry.versions("m")}
    faults: list[str] = []
    stop = threading.Event()

    def read() -> None:
        reader = LocalRegistry(tmp_path / "models")
        while not stop.is_set():
            try:
                champion, history = reader.champion("m"), reader.history("m")
                if champion is None or champion.digest not in digests or not history:
                    faults.append(f"{champion} {history}")
            except Exception as error:
                faults.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for number in range(60):
        registry.promote("m", 1 + number % 2)
    stop.set()
    for thread in readers:
        thread.join()
    assert not faults


_ELSEWHERE = [
    f"{scheme}{host}{path}"
    for scheme in ("http://", "https://", "ftp://", "file://", "gopher://", "S3://", "gs:/")
    for host in ("169.254.169.254", "metadata.google.internal", "localhost:9000")
    for path in ("/latest/meta-data", "/computeMetadata/v1/")
] + ["s3://bucket/../../etc", "gs://bucket/a?x=1", "s3://user@bucket/x", "s3://[::1]/x"]


@pytest.mark.known_failure(31)
@pytest.mark.parametrize("address", _ELSEWHERE)
def test_an_address_leads_to_a_bucket_or_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="wanted an address in an object store"):
        objects.checked(address)


@pytest.mark.known_failure(32)
def test_nothing_unpacks_an_archive() -> None:
    """Models and data come as files with a digest each; a name in an archive could lead out of any folder."""
    unpacks = re.compile(r"\b(extractall|unpack_archive)\(|import (tarfile|zipfile)\b[\s\S]*\.extract\(")
    assert not [path for path in SOURCES if unpacks.search(path.read_text(encoding="utf-8"))]
