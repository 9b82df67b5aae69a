"""`mlops schema`: the curated schema in a table, and what data would change in it."""

import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from core.store import Store

if TYPE_CHECKING:
    from artifacts.spans.files import SpanWindow
    from components.ingest_examples.config import Config as IngestExamples
    from pipelines.config import UseCase


@click.group()
def schema() -> None:
    """Show the curated schema, or propose one from data."""


@schema.command()
@click.argument("usecase")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(usecase: str, as_json: bool) -> None:
    """Show the curated schema of USECASE, a line a feature."""
    from rich.console import Console
    from rich.table import Table

    from artifacts.schema.schema_file import read_schema
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    path = load(find(usecase)).folder / "schema.pbtxt"
    features = [_about(feature, path) for feature in read_schema(path).feature]
    if as_json:
        print_json({"usecase": usecase, "path": str(path), "features": features})
        return
    table = Table(title=str(path), title_justify="left", box=None, pad_edge=False)
    for heading in ("feature", "type", "present in", "values", "drift at most"):
        table.add_column(heading)
    for feature in features:
        drift = feature["drift_at_most"]
        table.add_row(
            feature["name"],
            feature["type"],
            f"{feature['present_in']:.0%}",
            feature["values"],
            "-" if drift is None else f"{drift:g}",
        )
    Console(soft_wrap=True).print(table)


@schema.command()
@click.argument("usecase")
@click.option("--span", type=int, help="The span to look at; default: the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def propose(store: Store, usecase: str, span: int | None, as_json: bool) -> None:
    """Print what would have to change in the schema of USECASE for a span's data to fit; nothing is written."""
    from artifacts.spans.files import resolve
    from mlops.cli.main import print_json
    from mlops.worlds.pinned import source_pattern
    from pipelines.config import find, load

    loaded = load(find(usecase))
    pattern = source_pattern(loaded, store)
    window = resolve(pattern, span, 1)
    path = loaded.folder / "schema.pbtxt"
    diff = _diff(loaded, window, path)
    if as_json:
        print_json({"usecase": loaded.name, "span": window.spans[-1], "path": str(path), "diff": diff})
    elif diff:
        click.echo(diff)
        click.secho(
            f"{path} is not changed: take over what is meant to be, and correct the feed for the rest.", err=True
        )
    else:
        click.echo(f"Span {window.spans[-1]} fits {path} as it is.")


def _diff(usecase: "UseCase", window: "SpanWindow", path: Path) -> str:
    """Describe one span as the pipeline would, without keeping anything, and compare with the curated schema."""
    os.environ.setdefault(
        "TF_CPP_MIN_LOG_LEVEL", "3"
    )  # TensorFlow reads it when it is imported, and says nothing of use here
    warnings.simplefilter("ignore", FutureWarning)
    from google.protobuf import text_format

    from artifacts.schema.schema_file import read_schema
    from artifacts.statistics.names import FILE, of_span
    from components.compute_statistics.config import Config as StatisticsConfig
    from components.compute_statistics.logic import compute
    from components.ingest_examples.config import Split
    from components.ingest_examples.logic import PinnedSource, ingest
    from components.validate_data.proposal import propose

    curated = read_schema(path)
    config = usecase.ingest_examples.model_copy(update={"window": 1, "split": Split(by="hash", validation=25, eval=25)})
    with TemporaryDirectory() as name:
        folder = Path(name)
        draft = folder / "draft.pbtxt"
        draft.write_text(text_format.MessageToString(_draft(curated, config, window)), encoding="utf-8")
        ingest(config, PinnedSource(window.pattern, window.spans[-1], ""), str(draft), folder / "examples")
        compute(StatisticsConfig(), folder / "examples", str(draft), folder / "statistics", folder / "pictures.html")
        return propose(curated, folder / "statistics" / of_span(window.spans[-1]) / FILE, path.name)


def _draft(curated: Any, config: "IngestExamples", window: "SpanWindow") -> Any:
    """Add to the curated schema the types that CSV columns it does not know seem to have."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    from artifacts.spans.csv_rows import CsvOptions
    from artifacts.spans.guess import guess_types

    draft = schema_pb2.Schema()
    draft.CopyFrom(curated)
    if config.format != "csv":
        return draft
    known = {feature.name for feature in curated.feature}
    options = CsvOptions(frozenset(config.missing), config.max_record_bytes, config.batch_rows)
    for column, kind in guess_types(window.files[0], options).items():
        if column not in known:
            draft.feature.add(name=column, type=schema_pb2.FeatureType.Value(kind))
    return draft


def _about(feature: Any, path: Path) -> dict[str, Any]:
    """Describe one feature of a schema in plain values."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    drift = feature.drift_comparator
    bound = drift.jensen_shannon_divergence.threshold or drift.infinity_norm.threshold or None
    return {
        "name": feature.name,
        "type": schema_pb2.FeatureType.Name(feature.type),
        "present_in": feature.presence.min_fraction,
        "environments_without": list(feature.not_in_environment),
        "values": _values(feature, path),
        "drift_at_most": bound,
    }


def _values(feature: Any, path: Path) -> str:
    from artifacts.schema.schema_file import read_schema

    kind = feature.WhichOneof("domain_info")
    if kind in ("int_domain", "float_domain"):
        domain = getattr(feature, kind)
        return f"{domain.min:g} to {domain.max:g}"
    if kind != "domain":
        return "any"
    domains = {domain.name: domain for domain in read_schema(path).string_domain}
    values = list(domains[feature.domain].value) if feature.domain in domains else []
    return f"{len(values)} values: {', '.join(values[:5])}{', ...' if len(values) > 5 else ''}"
