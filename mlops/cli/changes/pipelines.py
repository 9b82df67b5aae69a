"""`mlops pipelines`: lists and compiles pipelines, and says in words what changed between two compiled ones."""

from pathlib import Path

import click

from core.store import Store


@click.group()
def pipelines() -> None:
    """List and compile pipelines, and compare compiled ones."""


@pipelines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(*, as_json: bool) -> None:
    """List the pipelines that a use case can be compiled to."""
    from mlops.cli.main import print_json
    from pipelines.compiled import PIPELINES

    if as_json:
        kinds = {name: {"kind": one.kind.value, "description": one.description} for name, one in PIPELINES.items()}
        print_json({"pipelines": kinds})
        return
    for name, one in PIPELINES.items():
        click.echo(f"{name:<12} {one.kind.value:<12} {one.description}")


@pipelines.command("compile")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--registry",
    envvar="MLOPS_IMAGE_REGISTRY",
    help="Name images by the digests that `mlops images push` got from this registry.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def compile_(store: Store, *, folder: Path, registry: str | None, as_json: bool) -> None:
    """Compile every pipeline of every use case into FOLDER, as USECASE-PIPELINE.yaml.

    A pipeline whose stages a use case has no sections for is left out and named. Variable: MLOPS_IMAGE_REGISTRY.
    """
    from core.images import pushed_references
    from mlops.actions.compile_all import compile_all
    from mlops.cli.main import print_json

    compiled = compile_all(folder, pushed_references(registry, store.images) if registry else None)
    if as_json:
        print_json({"folder": str(folder.absolute()), "digests": compiled.digests, "left_out": compiled.left_out})
        return
    for name, digest in compiled.digests.items():
        click.echo(f"{folder / name}  ({digest})")
    for name, reason in compiled.left_out.items():
        click.echo(f"left out  {name}: {reason}")


@pipelines.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--markdown", is_flag=True, help="Print it as a comment of a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(*, before: Path, after: Path, markdown: bool, as_json: bool) -> None:
    """Say what changes from BEFORE to AFTER: two compiled pipelines, or two folders of them.

    Which step, which parameter, which image; returns 0 whether or not something changes.
    """
    from mlops.cli.main import print_json
    from mlops.report import change_comment
    from pipelines.compared import changes

    found = changes.compare(before, after)
    if as_json:
        print_json(changes.as_json(found))
    elif markdown:
        click.echo(change_comment.pipelines(found))
    else:
        for image in found.images:
            click.echo(image.sentence)
        for one in found.pipelines:
            click.secho(one.sentence, bold=one.state != "same")
            for change in one.changes:
                click.echo(f"  {change.sentence}")
