"""Predicts all rows of some examples, checks what was written, and only then writes the manifests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.beam_start import workers_of
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import MANIFEST
from artifacts.inference.manifest import InferenceManifest, InferredShard
from artifacts.schema.schema_file import read_schema
from components.infer_bulk import checks
from components.infer_bulk.abandoned import remove_abandoned
from components.infer_bulk.config import Config
from components.infer_bulk.engine import Job, compute
from components.infer_bulk.pictures import draw
from components.infer_bulk.predictor import Model, Predictor
from components.infer_bulk.progress import Progress
from components.infer_bulk.shards import OutputShard, divide
from components.infer_bulk.writer import Folders
from core import digest, pictures, user_code
from core.backends.registry import find
from core.beam.choice import choose
from core.beam.settings import Runner
from core.decision import Check, Decision, Verdict
from core.errors import DataError

GATE = "infer_bulk"
_SCRATCH = ".unfinished"
"""Folder beside the outputs for shards that an object store keeps until all are finished."""


class Inputs(NamedTuple):
    """The examples, and the model version by its reference."""

    examples: str
    schema: str
    model: str
    registry: str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    inference_result: str
    output_examples: str
    predictions: str
    decision: str
    pictures: str

    @property
    def folders(self) -> Folders:
        """The folders of shards."""
        return Folders(Path(self.inference_result), Path(self.output_examples), Path(self.predictions))


def infer(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Write the predictions of every row; a killed call that is repeated computes only what is missing.

    Raises DataError, after writing the decision, when the model cannot predict these rows, a prediction is not finite,
    or the files do not have every row or are damaged; there are no manifests then. CorruptArtifact for damaged examples
    and EmptyDataset for none.
    """
    examples = ExamplesManifest.read(inputs.examples)
    runner = choose(config.beam, examples.bytes_in(inputs.examples)).runner
    with workers_of(runner, "components.infer_bulk.with_beam"):  # before the model is loaded, which starts threads
        return _infer(_Inference(config, inputs, outputs, examples, runner))


def _infer(job: "_Inference") -> Decision:
    outputs = job.outputs
    with job.progress.held():
        for place in remove_abandoned(job.progress, datetime.now(UTC)):
            print(f"{place}: removed; its inference was not resumed", flush=True)
        decided, entries = job.checked()
        decision = Decision.of(GATE, decided, subject=job.model.digest)
        pictures.write(outputs.pictures, draw(job.manifest(entries), decided))
        if decision.is_open:
            job.publish(entries)
    decision.write(outputs.decision)
    if not decision.is_open:
        closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
        lines = [f"- {check.rule}: {check.observed or check.verdict}. {check.next_step}" for check in closed]
        raise DataError("no predictions are released:\n" + "\n".join(lines))
    return decision


@dataclass
class _Inference:
    """One call of the stage."""

    config: Config
    inputs: Inputs
    outputs: Outputs
    examples: ExamplesManifest
    runner: Runner | None
    """None: this process computes."""

    def __post_init__(self) -> None:
        version = find(self.inputs.registry, self.inputs.model)
        self.schema: schema_pb2.Schema = read_schema(user_code.resolve(self.inputs.schema))
        self.shards = divide(self.examples, self.config.example_splits, self.config.shard_rows)
        self.model = Model(
            version.name, version.version, version.digest, version.path, self.config, self.schema.SerializeToString()
        )
        self._examples_digest = digest.of_file(Path(self.inputs.examples) / MANIFEST)
        self.predictor = Predictor(self.model)
        self.targets = self.outputs.folders
        scratch = self.targets.prediction_logs.with_name(_SCRATCH)
        self.progress = Progress.of(self.inputs.registry, version.name, self._key, scratch)

    @property
    def _key(self) -> dict[str, str]:
        """All that the files depend on; finished shards of another key are of no use."""
        config = self.config.model_dump_json(exclude={"beam"})  # the engine does not change the files
        schema = digest.of_bytes(self.schema.SerializeToString(deterministic=True))
        return {
            "config": config,
            "schema": schema,
            "examples": self._examples_digest,
            "model": self.inputs.model,
            "tensorflow": tf.__version__,
        }

    def checked(self) -> tuple[tuple[Check, ...], list[InferredShard]]:
        """Compute what is missing; return the checks, and the shards that were written."""
        before = checks.takes_the_schema(self.predictor.features, self.schema, self.predictor.columns)
        if any(check.verdict is not Verdict.PASS for check in before):
            return before, []
        finished = self.progress.finished(self.shards)
        missing = [shard for shard in self.shards if shard.number not in finished]
        if finished:
            print(f"{len(finished)} of {len(self.shards)} shards are finished already", flush=True)
        try:
            self._compute(missing)
        except DataError as error:
            return (*before, checks.every_row(str(error))), []
        entries = self.progress.read(self.shards)
        wanted = sum(shard.rows for shard in self.shards)
        return (*before, checks.every_row(""), *checks.written(entries, wanted, self.progress.folders)), entries

    def _compute(self, missing: Sequence[OutputShard]) -> None:
        if not missing:
            return
        job = Job(Path(self.inputs.examples), self.model, self.progress.folders)
        if self.runner is not None:
            from components.infer_bulk.with_beam import Registered, compute_with_beam  # noqa: PLC0415 - takes seconds

            registered = Registered(self.inputs.registry, self.inputs.model)
            compute_with_beam(self.runner, job, self.progress, missing, registered)
            return
        for entry in compute(job, self.predictor, missing):
            self.progress.add(entry)

    def manifest(self, entries: Sequence[InferredShard]) -> InferenceManifest:
        """Return the manifest of some shards."""
        return InferenceManifest(
            model=self.model.name,
            model_version=self.model.version,
            model_digest=self.model.digest,
            signature=self.config.model_signature_name,
            columns=self.predictor.columns,
            examples=self._examples_digest,
            rows=sum(entry.rows for entry in entries),
            shards=tuple(entries),
        )

    def publish(self, entries: Sequence[InferredShard]) -> None:
        """Move the files to the outputs, and write the manifests, which make those complete."""
        for folder in self.targets:
            folder.mkdir(parents=True, exist_ok=True)
        self.progress.publish(entries, self.targets)
        manifest = self.manifest(entries)
        if "examples" in self.config.outputs:
            written = tuple(_examples_shard(entry) for entry in entries)
            self.examples.model_copy(update={"shards": written}).write(self.targets.examples)
        if "parquet" in self.config.outputs:
            manifest.write(self.targets.parquet)
        manifest.write(self.targets.prediction_logs)
        self.progress.remove()


def _examples_shard(entry: InferredShard) -> Shard:
    file = entry.files["examples"]
    return Shard(name=file.name, split=entry.split, span=entry.span, records=entry.rows, sha256=file.sha256)
