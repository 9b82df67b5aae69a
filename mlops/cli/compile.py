"""`mlops compile`: writes the KFP file that every world runs."""

from pathlib import Path

import click

from core.digest import of_file
from core.store import Store


@click.command("compile")
@click.argument("usecase")
@click.option("--pipeline", default="level1", show_default=True, help="Which pipeline.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; default: USECASE-PIPELINE.yaml here.",
)
@click.option(
    "--registry",
    envvar="MLOPS_IMAGE_REGISTRY",
    help="Name images by the digests that `mlops images push` got from this registry.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def compile_(
    store: Store, *, usecase: str, pipeline: str, output: Path | None, registry: str | None, as_json: bool
) -> None:
    """Compile a pipeline of USECASE to a KFP file; images are named by the content tag of the sources, or by digest.

    Variable: MLOPS_IMAGE_REGISTRY.
    """
    from core.images import pushed_references
    from mlops.cli.main import print_json
    from pipelines.compiled import compile_pipeline
    from pipelines.config import find, load

    loaded = load(find(usecase))
    target = output or Path(f"{loaded.name}-{pipeline}.yaml")
    references = pushed_references(registry, store.images) if registry else None
    compile_pipeline(loaded, pipeline, target.absolute(), references)
    if as_json:
        print_json(
            {"usecase": loaded.name, "pipeline": pipeline, "path": str(target.absolute()), "digest": of_file(target)}
        )
    else:
        click.echo(f"{target}  ({of_file(target)})")
