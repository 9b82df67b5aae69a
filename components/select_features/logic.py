"""Selects features of the train split, and writes what each method chose and the schema that follows."""

import difflib
from pathlib import Path
from typing import NamedTuple

from artifacts.examples.manifest import ExamplesManifest
from artifacts.matrix.usable_features import UsableFeatures
from artifacts.model.schema_features import schema_features
from artifacts.schema.disabling import disabled
from artifacts.schema.reference import read_referenced, without_features
from artifacts.schema.schema_file import SCHEMA_NAME
from artifacts.selection.selection import FeatureResult, MethodResult, Selection
from components.select_features.config import Config
from components.select_features.costs import Costs, costs_of
from components.select_features.gate import decide
from components.select_features.module_reads import module_reads, runs_without
from components.select_features.pictures import draw
from components.select_features.raw_columns import RawColumn, raw_columns, twins_of
from components.select_features.results import Compared, compare_methods, shares
from components.select_features.runs import Runs, folds_of, run_all
from components.select_features.sampled import Sampled, read_train
from components.select_features.target import read_target
from core import digest, durable, user_code
from core.errors import ConfigError, DataError, did_you_mean
from problems import kind

DIFF = "schema.diff"


class Inputs(NamedTuple):
    """References of module and schema, and folders."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    selection: Path | str
    decision: Path | str
    pictures: Path | str


class _Prepared(NamedTuple):
    """What is compared, and what is not."""

    columns: list[RawColumn]
    twins: dict[str, str]
    not_compared: dict[str, str]


def select(config: Config, inputs: Inputs, outputs: Outputs) -> str:
    """Compare the methods, propose a schema, and return the reference of the schema to train with.

    Raises ConfigError for `keep` with a feature that the schema lacks, DataError for fewer rows than folds or when
    nothing is left to select, TrainingError for a label of one class.
    """
    schema = read_referenced(inputs.schema)
    served = [feature.name for feature in schema_features(schema, config.label, config.weight)]
    for name in config.keep:
        if name not in served:
            raise ConfigError(
                f"config.yaml: select_features.keep: wanted a feature of the schema, got {name!r}"
                f"{did_you_mean(name, served)}"
            )
    sampled = read_train(Path(inputs.examples), schema, config.max_rows)
    target = read_target(config, sampled.batch)
    usable = UsableFeatures.of(sampled.batch, schema, {one.name for one in schema.feature} - {*served})
    prepared = _prepared(config, sampled, usable, served)
    by_span = ExamplesManifest.read(inputs.examples).split_by == "time"
    folds = folds_of(config, target, sampled.spans, by_span=by_span)
    runs = run_all(config, prepared.columns, target, folds)
    compared = compare_methods(config, runs, target, [column.name for column in prepared.columns])
    if not any(one.features for one in compared.methods[1:]):
        raise DataError(
            f"select_features: all {len(served)} features are left out: none says more about {config.label!r} than "
            "chance; check that features and label are of the same rows, or name features in select_features.keep"
        )
    left_out = _left_out(config, served, sampled, prepared, compared.chosen)
    reads = module_reads(inputs.module, schema)
    removed = runs_without(inputs.module, schema, left_out, reads) if config.apply == "within_loss" else ()
    costs = costs_of(Path(inputs.transform_graph), sampled.batch, schema)
    rows = _Rows(served, sampled, prepared, runs, costs)
    selection = Selection(
        schema_digest=digest.of_file(user_code.resolve(inputs.schema)),
        skill=kind(config.task).skill_name,
        max_loss=config.max_loss,
        rows=len(target.values),
        folds=runs.folds,
        seeds=config.seeds,
        chosen=compared.chosen.name,
        applied=bool(removed),
        methods=compared.methods,
        features=_features(config, rows, compared, reads),
        left_out=left_out,
    )
    _write(selection, inputs, outputs)
    decide(config, selection, removed).write(outputs.decision)
    draw(selection, outputs.pictures)
    return without_features(inputs.schema, removed)


class _Rows(NamedTuple):
    """What is known of the features."""

    served: list[str]
    sampled: Sampled
    prepared: _Prepared
    runs: Runs
    costs: Costs


def _prepared(config: Config, sampled: Sampled, usable: UsableFeatures, served: list[str]) -> _Prepared:
    """Leave out constants and twins before anything is compared; DataError when nothing is left."""
    columns = [one for one in raw_columns(sampled.batch, usable) if one.name not in sampled.constants]
    twins = {
        later: earlier for later, earlier in twins_of(columns, config.twin_above).items() if later not in config.keep
    }
    columns = [one for one in columns if one.name not in twins]
    if not columns:
        reasons = {name: sampled.constants.get(name, usable.left_out.get(name, "")) for name in served}
        listed = "; ".join(f"{name} ({why})" for name, why in reasons.items())
        raise DataError(f"select_features: wanted a feature that changes in the split 'train', got {listed or 'none'}")
    not_compared = {name: why for name, why in usable.left_out.items() if name not in sampled.constants}
    return _Prepared(columns, twins, not_compared)


def _left_out(
    config: Config, served: list[str], sampled: Sampled, prepared: _Prepared, chosen: MethodResult
) -> tuple[str, ...]:
    compared = {column.name for column in prepared.columns}
    gone = {*sampled.constants, *prepared.twins, *(compared - {*chosen.features})} - {*config.keep}
    return tuple(name for name in served if name in gone)


def _features(config: Config, rows: _Rows, compared: Compared, reads: frozenset[str]) -> tuple[FeatureResult, ...]:
    found = []
    for name in rows.served:
        verdict, why = _verdict(name, config, rows, compared.chosen)
        gains = rows.runs.gains.get(name)
        chosen = {method: shares(one, name) for method, one in rows.runs.methods.items()} if gains else {}
        cost = rows.costs.of(name)
        found.append(
            FeatureResult(
                name=name,
                verdict=verdict,
                why=why,
                gain=sum(gains) / len(gains) if gains else None,
                chosen={method: share for method, share in chosen.items() if method != "all"},
                nanoseconds=cost.nanoseconds,
                vocabulary_bytes=cost.vocabulary_bytes,
                read_by_module=name in reads,
            )
        )
    return tuple(found)


def _verdict(name: str, config: Config, rows: _Rows, chosen: MethodResult) -> tuple[str, str]:
    if name in config.keep:
        return "kept", "select_features.keep"
    if name in rows.sampled.constants:
        return "constant", rows.sampled.constants[name]
    if name in rows.prepared.twins:
        return "twin", rows.prepared.twins[name]
    if name in rows.prepared.not_compared:
        return "not compared", rows.prepared.not_compared[name]
    return ("selected", "") if name in chosen.features else ("left out", "")


def _write(selection: Selection, inputs: Inputs, outputs: Outputs) -> None:
    """Write the proposed schema and its diff, and the selection last."""
    folder = Path(outputs.selection)
    folder.mkdir(parents=True, exist_ok=True)
    before = user_code.resolve(inputs.schema).read_text(encoding="utf-8")
    after = disabled(before, selection.reasons)
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    diff = "".join(difflib.unified_diff(old, new, SCHEMA_NAME, f"{SCHEMA_NAME} (proposed)"))
    durable.replace(folder / SCHEMA_NAME, after.encode())
    durable.replace(folder / DIFF, diff.encode())
    selection.write(folder)
