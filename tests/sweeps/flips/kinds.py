"""Makes files of each kind, as the product writes them, and knows how the product reads each."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from sweeps import small_run

import localrun
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.shards import columns, shards
from artifacts.spans.files import resolve, window_digest
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core import user_code
from core.backends.local_registry import LocalRegistry
from core.errors import CorruptArtifact
from localrun.store.digests import Digests, verify
from localrun.store.journal import Journal
from localrun.store.layout import Layout
from mlops.triggers.journal import Journal as TriggersJournal
from mlops.triggers.storage.file import FileStorage
from pipelines.triggers import Trigger
from tests.sweeps.flips.kind import Kind
from tests.sweeps.sweep import Sweep
from tests.unit.triggers.conftest import Rules, Station

_ROWS = 200
_SCHEMA = 'feature { name: "n" type: INT }\nfeature { name: "x" type: FLOAT }\n'
_TABLE = pa.table({"n": range(_ROWS), "x": [at / 7 for at in range(_ROWS)]})


def csv(folder: Path, _: Sweep) -> Kind:
    """The source of a run, which is pinned to its digest."""
    return _source(folder, "csv", lambda path: pcsv.write_csv(_TABLE, path))


def parquet(folder: Path, _: Sweep) -> Kind:
    """As CSV."""
    return _source(folder, "parquet", lambda path: pq.write_table(_TABLE, path))


def _source(folder: Path, suffix: str, write: Callable[[Path], None]) -> Kind:
    for span in (1, 2):
        (folder / f"span-{span}").mkdir(parents=True)
        write(folder / f"span-{span}" / f"rows.{suffix}")
    (folder / "schema.pbtxt").write_text(_SCHEMA)
    pattern = str(folder / "span-{SPAN}" / f"rows.{suffix}")
    config = Config.model_validate({"format": suffix, "window": 1})
    pinned = PinnedSource(pattern, 2, window_digest(resolve(pattern, 2, 2)))

    def read(_: Path) -> ExamplesManifest:
        return ingest(config, pinned, str(folder / "schema.pbtxt"), folder / "examples")

    files = tuple(folder / f"span-{span}" / f"rows.{suffix}" for span in (1, 2))
    # A run is pinned to the digest of its window, so that the error names the pattern and the spans.
    return Kind(files, read, lambda _: pattern)


def _examples(folder: Path) -> Path:
    """Ingest, so that there are shards with their columns."""
    kind = _source(folder / "source", "parquet", lambda path: pq.write_table(_TABLE, path))
    kind.read(kind.files[0])
    return folder / "source" / "examples"


def tfrecord(folder: Path, _: Sweep) -> Kind:
    """The shards of an examples folder."""
    examples = _examples(folder)
    manifest = ExamplesManifest.read(examples)

    def read(_: Path) -> list[Path]:
        return [path for split in manifest.splits() for path in shards(examples, split)]

    return Kind(tuple(examples / shard.name for shard in manifest.shards), read)


def arrow(folder: Path, _: Sweep) -> Kind:
    """The same examples in columns."""
    examples = _examples(folder)
    with_columns = [shard for shard in ExamplesManifest.read(examples).shards if shard.columns]

    def read(_: Path) -> None:
        for shard in with_columns:
            with columns(examples, shard):
                pass

    return Kind(tuple(examples / one.columns.name for one in with_columns if one.columns), read)


def schema(folder: Path, _: Sweep) -> Kind:
    """A file of the use case, to whose digest a pipeline is compiled."""
    folder.mkdir(parents=True)
    path = folder / "schema.pbtxt"
    path.write_text(_SCHEMA * 20)
    reference = user_code.reference(path)
    return Kind((path,), lambda _: user_code.resolve(reference))


def statistics(folder: Path, _: Sweep) -> Kind:
    """An output of a task, which the runner verifies before another run uses it."""
    folder.mkdir(parents=True)
    path = folder / "FeatureStats.pb"
    path.write_bytes(bytes(range(256)) * 16)
    artifact = localrun.Artifact("statistics", "system.Artifact", "0.0.1", str(folder), Digests().of(folder), {}, "one")

    def read(_: Path) -> None:
        if problem := verify({"statistics": artifact}, Digests()):
            raise CorruptArtifact(problem)

    return Kind((path,), read, lambda _: str(folder))


def model(folder: Path, _: Sweep) -> Kind:
    """A version in the registry."""
    saved = folder / "saved"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph" * 400)
    (saved / "variables" / "variables.index").write_bytes(b"index" * 100)
    (saved / "variables" / "variables.data-00000-of-00001").write_bytes(bytes(range(256)) * 40)
    registry = LocalRegistry(folder / "models")
    version = registry.publish("m", saved, {"spans": [1, 2]})
    files = tuple(path for path in sorted(version.path.rglob("*")) if path.is_file() and path.stat().st_size)
    return Kind(files, lambda _: registry.get("m", version.version))


def _store(folder: Path) -> tuple[Path, str]:
    """Run eight small steps; returns the store and the run."""
    pipeline = small_run.compiled(folder)
    (folder / "project").mkdir()
    run, _ = small_run.go_on(pipeline, folder / "store", folder / "project")
    return folder / "store", run.run_id


def sqlite(folder: Path, _: Sweep) -> Kind:
    """The runner's journal: everything that a later run, `runs list` or `verify` takes from it."""
    store, run_id = _store(folder)
    return _database(
        store / "localrun.sqlite", lambda _: (localrun.runs(store), localrun.show(store, run_id), _executions(store))
    )


def triggers(folder: Path, _: Sweep) -> Kind:
    """The journal of triggers: all that a handler takes from it."""
    station = Station(folder, rules=Rules({"flights": Trigger()}))
    for number in range(8):
        station.take(f"{number}")
        station.now += 60
        if number < 5:
            station.work()
    station.journal.bury({"id": "unknown"}, "nobody knows it")
    station.journal.set_mark("span", "3")

    def read(path: Path) -> object:
        journal = TriggersJournal(FileStorage(path))
        decisions = journal.decisions()
        facts = [journal.facts_of(one.number) for one in decisions]
        known = [journal.fact(f"/test#{number}") for number in range(8)]
        return decisions, facts, known, journal.waiting(), journal.letters(), journal.mark("span")

    return _database(Path(station.storage.place), read)


def _database(path: Path, read: Callable[[Path], object]) -> Kind:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def clean_up() -> None:
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)

    return Kind((path,), read, clean_up=clean_up, unused_bytes=True)


def _executions(store: Path) -> object:
    with closing(Journal(Layout(store))) as journal:
        return journal.executions()


def compiled(folder: Path, _: Sweep) -> Kind:
    """The compiled pipeline of a run, which is read again when the run is resumed."""
    store, run_id = _store(folder)
    environments = {"alpine": localrun.Environment(cwd=folder / "project", sources={"*": (folder / "project",)})}
    path = store / "runs" / run_id / "pipeline.yaml"

    def read(_: Path) -> object:
        return localrun.resume(run_id, store=store, environments=environments).state

    return Kind((path,), read, lambda path: path.parent.name)


def export(folder: Path, sweep: Sweep) -> Kind:
    """Every file of an exported run, read by `mlops verify`."""
    from tests.sweeps.flips.exported import kind_of, trained

    given = sweep.options.get("export")
    return kind_of(Path(given) if given else trained(folder))


KINDS: dict[str, Callable[[Path, Sweep], Kind]] = {
    one.__name__: one
    for one in (csv, parquet, tfrecord, arrow, schema, statistics, model, sqlite, triggers, compiled, export)
}
