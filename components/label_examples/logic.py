"""Labels examples: votes, a label model, a decision, and the examples with their probabilistic labels."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels import probabilities
from artifacts.labels.row_key import RowKey
from artifacts.model.schema_features import schema_features
from artifacts.schema.schema_file import read_schema
from components.label_examples import semi_supervised
from components.label_examples.choosing import Combined, Gold, combine
from components.label_examples.classes import LabelClasses
from components.label_examples.config import SEMI_SUPERVISED, Config
from components.label_examples.gate import GATE, Evidence, decide
from components.label_examples.pictures import draw, draw_spread
from components.label_examples.reading import Source, Voted, votes_on
from components.label_examples.writing import Row, Writer
from core import user_code
from core.decision import Decision, Verdict
from core.errors import ConfigError, DataError, LabelingError
from problems.labeling.analysis import FunctionAnalysis, analyze
from problems.labeling.apply import Applier
from problems.labeling.augmentation import transformations
from problems.labeling.slicing import Slice, slices
from problems.labeling.votes import ABSTAIN, covered

FUNCTIONS, TRANSFORMATIONS, SLICES = "labeling_functions", "transformation_functions", "slicing_functions"
ANALYSIS = "analysis.json"


class Inputs(NamedTuple):
    """References of labeling module and schema, and the folder of examples."""

    labeling: str
    schema: str
    examples: Path | str


class Outputs(NamedTuple):
    """The paths of labeled examples, decision and pictures, and the function that logs metrics."""

    labeled: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]


@dataclass(frozen=True)
class _Votes:
    """The votes on the splits that are labeled, and on the gold rows."""

    splits: dict[str, Voted]
    gold: Gold

    @property
    def all(self) -> Any:
        """The votes that the label model learns from, [rows, functions]."""
        return np.concatenate([voted.votes for voted in self.splits.values()])


def label(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Write the labeled examples, the decision and its pictures.

    Raises LabelingError for functions, votes or gold labels that cannot be used, ConfigError for classes that nobody
    says, DataError when the gate is closed: its message lists every check that did not pass.
    """
    schema = read_schema(user_code.resolve(inputs.schema))
    classes = LabelClasses.of(config, schema)
    module = user_code.load(inputs.labeling) if inputs.labeling else ModuleType("labeling")
    key = RowKey.of(schema, config.key)
    source = _source(config, Path(inputs.examples))
    _check_splits(config, source)
    writer = Writer(
        source,
        Path(outputs.labeled),
        config,
        classes,
        _slices(module, schema, config),
        transformations(getattr(module, TRANSFORMATIONS, ())) if config.copies else (),
        key.keys,
    )
    if config.method in SEMI_SUPERVISED:
        return _spread(config, writer, outputs)
    applier = Applier(_listed(module, FUNCTIONS), classes.names, lambda batch, row: key.keys(batch.slice(row, 1))[0])
    evidence, votes = _evidence(config, source, applier, classes)
    decision = decide(config, evidence)
    draw(evidence, votes.all, decision, outputs.pictures)
    _log(evidence, outputs)
    decision.write(outputs.decision)
    _stop_unless_open(decision)
    rows = {split: _rows(config, evidence.combined, voted) for split, voted in votes.splits.items()}
    _write(writer, rows, _content(evidence))
    return decision


def _spread(config: Config, writer: Writer, outputs: Outputs) -> Decision:
    """Label by the gold rows and the likeness of rows."""
    found = semi_supervised.spread(config, writer.source, writer.classes)
    decision = Decision.of(GATE, semi_supervised.check(config, found))
    draw_spread(config.method, found.supervised, found.reached, decision, outputs.pictures)
    outputs.log_metric("gold_rows", float(found.gold_rows))
    outputs.log_metric("gold_alone_skill", found.supervised)
    outputs.log_metric(f"{config.method}_skill", found.reached)
    decision.write(outputs.decision)
    _stop_unless_open(decision)
    rows = {split: Row(own, np.ones(len(own), np.bool_)) for split, own in found.probabilities.items()}
    skills = {"gold_alone": found.supervised, config.method: found.reached}
    _write(writer, rows, {"method": config.method, "skills": skills})
    return decision


def _evidence(config: Config, source: Source, applier: Applier, classes: LabelClasses) -> tuple[Evidence, _Votes]:
    votes = _Votes(
        {split: votes_on(source, split, applier, classes) for split in config.splits},
        Gold.of(votes_on(source, config.gold_split, applier, classes)),
    )
    balance = classes.balance(config, votes.gold.classes)
    combined = combine(config, votes.all, votes.gold, balance)
    weights = combined.weights(len(applier.names))
    functions = analyze(votes.all, applier.names, votes.gold.votes, votes.gold.classes, weights)
    coverage = float(covered(votes.all).mean())
    return Evidence(classes.names, functions, combined, coverage, len(votes.gold.classes)), votes


def _source(config: Config, folder: Path) -> Source:
    hidden = {config.label} if config.weight is None else {config.label, config.weight}
    return Source(folder, ExamplesManifest.read(folder), hidden, config.batch_rows)


def _listed(module: ModuleType, name: str) -> list[Any]:
    found = getattr(module, name, None)
    if not found:
        where = getattr(module, "__file__", None) or "labeling.py"
        raise LabelingError(f"{where}: wanted a list {name} with labeling functions, got {found!r:.80}")
    return list(found)


def _check_splits(config: Config, source: Source) -> None:
    known = source.manifest.splits()
    for name in (*config.splits, config.gold_split):
        if name not in known:
            raise ConfigError(
                f"label_examples: wanted a split of the data, got {name!r}; the splits are {', '.join(known)}: "
                f"`ingest_examples.split.further: {{{name}: 10}}` makes another"
            )


def _slices(module: ModuleType, schema: schema_pb2.Schema, config: Config) -> list[Slice]:
    """Return the slices; LabelingError when the schema does not have one as a feature that no request has."""
    found = slices(getattr(module, SLICES, ()))
    known = {feature.name for feature in schema.feature}
    served = {feature.name for feature in schema_features(schema, config.label, config.weight)}
    for one in found:
        if one.name not in known or one.name in served:
            raise LabelingError(
                f"slicing function {one.name!r}: wanted a feature of that name in the schema that no request has: "
                f'feature {{ name: "{one.name}" type: BYTES presence {{ min_fraction: 1.0 min_count: 1 }} '
                'shape { dim { size: 1 } } not_in_environment: "SERVING" }'
            )
    return found


def _write(writer: Writer, rows: dict[str, Row], content: dict[str, Any]) -> None:
    """Write every split; the manifest is written last."""
    folder = writer.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    manifest = writer.source.manifest
    for shard in manifest.shards:
        if shard.split not in rows:
            writer.unlabeled(shard)
    written = {split: writer.labeled(split, own) for split, own in rows.items()}
    probabilities.write(folder, writer.classes.names, written)
    content["augmented"] = writer.augmented
    (folder / probabilities.FOLDER / ANALYSIS).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    manifest.model_copy(update={"shards": tuple(writer.shards)}).write(folder)


def _content(evidence: Evidence) -> dict[str, Any]:
    """Return the content of the analysis file."""
    return {
        "method": evidence.combined.method,
        "skills": evidence.combined.skills,
        "accuracies": evidence.combined.accuracies,
        "class_balance": dict(zip(evidence.classes, evidence.combined.balance.tolist(), strict=True)),
        "coverage": evidence.coverage,
        "functions": [_entry(function, evidence.classes) for function in evidence.functions],
    }


def _rows(config: Config, combined: Combined, voted: Voted) -> Row:
    found = combined.probabilities(voted.votes)
    kept = covered(voted.votes) if config.without_votes == "leave_out" else np.ones(len(found), np.bool_)
    if config.keep_given:
        has_label = voted.given != ABSTAIN
        found[has_label] = np.eye(found.shape[1])[voted.given[has_label]]
        kept |= has_label
    return Row(found, kept)


def _entry(function: FunctionAnalysis, classes: tuple[str, ...] | Any) -> dict[str, Any]:
    return {
        **function._asdict(),
        "polarity": [classes[number] for number in function.polarity],
        "accuracy": function.accuracy,
    }


def _log(evidence: Evidence, outputs: Outputs) -> None:
    outputs.log_metric("coverage", evidence.coverage)
    outputs.log_metric("gold_rows", float(evidence.gold_rows))
    for method, skill in evidence.combined.skills.items():
        if np.isfinite(skill):
            outputs.log_metric(f"{method}_skill", skill)


def _stop_unless_open(decision: Decision) -> None:
    if decision.is_open:
        return
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    lines = [f"- {check.rule}: {_observed(check.observed)} {check.next_step}" for check in closed]
    raise DataError(
        f"the labeling gate is closed; {len(closed)} of {len(decision.checks)} checks did not pass:\n"
        + "\n".join(lines)
    )


def _observed(observed: float | str | None) -> str:
    if observed is None:
        return "undecided."
    return f"got {observed:.4g}." if isinstance(observed, float) else f"got {observed}."
