"""Searches, measures, attacks, decides and writes; the report has places and counts, never what was found."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.begun import Begun, identity
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import MANIFEST
from artifacts.model.schema_features import schema_features
from artifacts.personal_data import columns, files
from artifacts.personal_data.detectors import found_in, telling_names
from artifacts.personal_data.finding import Finding
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.audit_privacy import anonymity, membership
from components.audit_privacy.anonymity import Anonymity
from components.audit_privacy.config import Config
from components.audit_privacy.gate import OWN_REPORT, Audited, decide
from components.audit_privacy.membership import Drawn, Membership, attack
from components.audit_privacy.pictures import draw
from core import digest, durable, pictures
from core.decision import Decision

PRIVACY = "privacy.json"


@dataclass(frozen=True)
class Inputs:
    """The schema's reference, and the artifacts that are audited."""

    schema: str
    examples: Path
    model: Path
    evaluation: Path

    @classmethod
    def at(cls, schema: str, *paths: str) -> "Inputs":
        """Take the paths in the order of the fields."""
        return cls(schema, *map(Path, paths))


@dataclass(frozen=True)
class Outputs:
    """The paths of the folder of `privacy.json`, the decision and the pictures."""

    privacy: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]
    """Called with name and value of each metric for the dashboard."""


class _Examples(NamedTuple):
    """What the audit needs of the examples, which asks nothing of the model."""

    findings: tuple[Finding, ...]
    anonymity: Anonymity | None
    drawn: Drawn | str
    """The rows of the attack on the model, or why they would decide nothing."""


_BEGUN = Begun[_Examples]()


def prepare(parameters: Mapping[str, Any], artifacts: Mapping[str, str]) -> None:
    """Read the examples while the model is evaluated, for an audit in this process (`localrun`)."""
    config, schema, examples = Config.model_validate(parameters["config"]), parameters["schema"], artifacts["examples"]
    _BEGUN.keep(_given(config, schema, Path(examples)), _read(config, read_referenced(schema), Path(examples)))


def audit(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Audit and decide; what is found closes the gate and raises nothing.

    Raises ConfigError for a quasi-identifier that the schema lacks, DataError or CorruptArtifact for examples that
    cannot be read, MlopsError for a model that does not take serialized tf.Examples.
    """
    schema = read_referenced(inputs.schema)
    read = _BEGUN.take(_given(config, inputs.schema, inputs.examples)) or _read(config, schema, inputs.examples)
    declared = _declared(schema, config.label)
    names = [feature.name for feature in schema.feature]
    audited = Audited(
        findings=(*read.findings, *_in_files(inputs)),
        searched=("examples", "model", "evaluation", OWN_REPORT),
        declared=declared,
        telling=tuple(name for name in telling_names(names) if name not in declared),
        anonymity=read.anonymity,
        membership=read.drawn if isinstance(read.drawn, str) else attack(config, read.drawn, inputs.model),
    )
    subject = digest.of_folder(saved_model(inputs.model))
    _write(config, audited, subject, outputs)
    for name, value in _dashboard(audited).items():
        outputs.log_metric(name, value)
    return Decision.read(outputs.decision)


def _given(config: Config, schema: str, examples: Path) -> object:
    """Return what `_read` depends on."""
    return config, schema, identity(examples / MANIFEST)


def _read(config: Config, schema: schema_pb2.Schema, examples: Path) -> _Examples:
    """Read the examples; ConfigError for a quasi-identifier that the schema lacks."""
    anonymity.check_names(config.quasi_identifiers, [feature.name for feature in schema.feature])
    return _Examples(
        tuple(columns.in_batches(_batches(examples, schema))),
        _anonymity(config, examples, schema),
        membership.draw(config, Splits(examples, schema), examples),
    )


def _batches(examples: Path, schema: schema_pb2.Schema) -> Iterator[pa.RecordBatch]:
    for split in ExamplesManifest.read(examples).splits():
        yield from record_batches(examples, split, schema)


def _anonymity(config: Config, examples: Path, schema: schema_pb2.Schema) -> Anonymity | None:
    names = config.quasi_identifiers
    return anonymity.measure(_batches(examples, schema), names) if names else None


def _declared(schema: schema_pb2.Schema, label: str) -> set[str]:
    """Return the features that the schema declares as personal."""
    return {feature.name for feature in schema_features(schema, label) if feature.personal not in ("no", "unknown")}


def _in_files(inputs: Inputs) -> Iterator[Finding]:
    yield from files.in_file(inputs.examples / MANIFEST, f"examples/{MANIFEST}")
    yield from files.in_folder(inputs.model, "model")
    yield from files.in_folder(inputs.evaluation, "evaluation")


def _write(config: Config, audited: Audited, subject: str, outputs: Outputs) -> None:
    """Write the outputs after searching them as well: a report that repeated what it found would be a leak itself."""
    decision = decide(config, audited, subject)
    report = _report(audited, subject)
    drawn = draw(audited, decision)
    leaked = found_in(report + drawn.encode() + decision.model_dump_json().encode())
    if leaked:
        own = tuple(Finding(name, OWN_REPORT, count) for name, count in sorted(leaked.items()))
        audited = Audited(**{**vars(audited), "findings": (*audited.findings, *own)})
        decision = decide(config, audited, subject)
    folder = Path(outputs.privacy)
    folder.mkdir(parents=True, exist_ok=True)
    durable.replace(folder / PRIVACY, _report(audited, subject))
    pictures.write(outputs.pictures, draw(audited, decision))
    decision.write(outputs.decision)


def _report(audited: Audited, subject: str) -> bytes:
    attacked = audited.membership
    content = {
        "version": 1,
        "subject": subject,
        "searched": audited.searched,
        "findings": [finding._asdict() for finding in audited.findings],
        "anonymity": audited.anonymity._asdict() if audited.anonymity else None,
        "membership": attacked._asdict() if isinstance(attacked, Membership) else {"undecided": attacked},
    }
    return f"{json.dumps(content, indent=2)}\n".encode()


def _dashboard(audited: Audited) -> dict[str, float]:
    numbers = {"findings": float(len(audited.findings))}
    if audited.anonymity is not None:
        numbers |= {"k": float(audited.anonymity.k), "unique": audited.anonymity.unique}
    if isinstance(audited.membership, Membership):
        numbers["membership_auc"] = audited.membership.auc
    return numbers
