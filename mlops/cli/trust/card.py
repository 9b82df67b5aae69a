"""`mlops card`: the cards of a version, on the terminal or in the form that somebody asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from artifacts.cards.document import Cards, Section
    from mlops.actions.auditing.cards import Found

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("usecase")
@click.option("--version", type=click.IntRange(min=1), help="A version's number; default: the one in production.")
@click.option("--run", "run_id", default="", metavar="RUN_ID", help="The cards of a run, whether it was pushed or not.")
@click.option("--html", type=_FILE, help="Write one HTML page that needs no network.")
@click.option("--hugging-face", type=_FILE, help="Write a README.md with the header that Hugging Face reads.")
@click.option("--cyclonedx", type=_FILE, help="Write the model as a CycloneDX 1.6 bill of materials.")
@click.option("--sbom", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Merge --cyclonedx into it.")
@click.option("--annex-iv", type=click.Path(path_type=Path, file_okay=False), help="Write a file for each heading.")
@click.option("--json", "as_json", is_flag=True, help="Print the document; its schema is docs/cards.schema.json.")
@click.pass_obj
def card(
    store: Store, /, *, usecase: str, version: int | None, run_id: str, as_json: bool, **forms: Path | None
) -> None:
    """Show the model card and the data card of USECASE: every number with the artifact that it comes from."""
    from core.errors import UsageError
    from mlops.actions.auditing.cards import cards_of_run, cards_of_version
    from pipelines.config import name_of

    if run_id and version:
        raise UsageError("wanted one of --run and --version, got both")
    if forms["sbom"] and not forms["cyclonedx"]:
        raise UsageError("--sbom is merged into the file of --cyclonedx: give that as well")
    found = cards_of_run(store, run_id) if run_id else cards_of_version(store, name_of(usecase), version)
    _write(found, forms)
    if as_json:
        click.echo(found.cards.content().decode(), nl=False)
    elif not any(forms.values()):
        _show(found.cards, found.what)


def _write(found: "Found", forms: dict[str, Path | None]) -> None:
    import json

    from artifacts.cards import annex_iv, cyclonedx, hugging_face
    from mlops.report.cards import page

    cards = found.cards
    if target := forms["html"]:
        _put(target, page(cards, found.what))
    if target := forms["hugging_face"]:
        _put(target, hugging_face.readme(cards))
    if target := forms["cyclonedx"]:
        base = json.loads(forms["sbom"].read_bytes()) if forms["sbom"] else None
        _put(target, cyclonedx.content(cyclonedx.bill(cards, base, found.version)).decode())
    if target := forms["annex_iv"]:
        for name, content in annex_iv.files(cards).items():
            _put(target / name, content)


def _put(path: Path, content: str) -> None:
    from core import durable

    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, content.encode())
    click.echo(str(path), err=True)


def _show(cards: "Cards", what: str) -> None:
    from artifacts.cards.headings import HEADINGS, NEEDED

    click.secho(f"Cards of {what}", bold=True)
    click.echo(f"model {cards.subject}\nrisk class {cards.risk_class}")
    for title, sections in (("Model card", cards.model), ("Data card", cards.data)):
        click.secho(f"\n{title}", fg="green", bold=True)
        for section in sections:
            _show_section(section)
    click.secho("\nAnnex IV of the EU AI Act", fg="green", bold=True)
    for heading in HEADINGS:
        missing = ", ".join(entry.name for entry in heading.missing(cards))
        needed = "needed" if heading.number in NEEDED[cards.risk_class] else "not asked for"
        color = "yellow" if missing else None
        click.secho(f"  {heading.number}. {'missing: ' + missing if missing else 'complete'} ({needed})", fg=color)


def _show_section(section: "Section") -> None:
    click.secho(f"\n  {section.title}", bold=True)
    if not section.entries:
        click.secho("    not measured", fg="yellow")
    for entry in section.entries:
        name = f"{entry.name} ({entry.slice})" if entry.slice else entry.name
        where = click.style(f"  {entry.source}{entry.at[0]}", dim=True) if entry.at else ""
        shown = click.style(entry.shown, fg="yellow") if entry.value is None else entry.shown
        click.echo(f"    {name}: {shown}{where}")
