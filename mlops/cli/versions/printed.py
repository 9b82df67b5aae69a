"""Prints versions of models."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from core.backends.metadata import Lineage
    from core.backends.registry import ModelVersion


def versions(model: dict[str, Any]) -> None:
    """Print the versions of a model."""
    click.secho(model["name"], bold=True)
    for version in model["versions"]:
        mark = click.style("in production", fg="green") if version["champion"] else " " * 13
        if model["canary"] and version["version"] == model["canary"]["version"]:
            mark = click.style(f"canary {model['canary']['percent']:>4g} %", fg="yellow")
        spans = ", ".join(map(str, version["spans"]))
        created, digest = version["created"][:16].replace("T", " "), version["digest"][7:19]
        click.echo(f"  {version['version']:>4}  {mark}  {created}  {digest}  spans {spans or '-'}")
    for problem in model["problems"]:
        click.secho(f"  {problem}", fg="red")


def one_version(version: "ModelVersion") -> None:
    """Print where a version comes from."""
    about = version.about
    click.secho(f"{version.name} version {version.version}", bold=True)
    click.echo(f"path      {version.address}\ndigest    {version.digest}\ncreated   {version.created}")
    click.echo(f"signed by {version.signed_by or 'nobody'}")
    if "spans" in about:
        records = ", ".join(f"{count} {split}" for split, count in about["records"].items())
        spans = ", ".join(map(str, about["spans"]))
        click.echo(f"data      spans {spans} of {about['source']} ({records}), {about['data'][:19]}")
    if "compared_with" in about:
        click.echo(f"against   {about['compared_with'][:24] or 'no champion'}")
    _print_evidence(about)
    if "override" in about:
        click.secho(f"override  {about['override']['reason']}", fg="yellow")
        for check in about["override"]["closed"]:
            click.secho(f"          {check}", fg="yellow")


def _print_evidence(about: Mapping[str, Any]) -> None:
    """Print each decision of the evidence, marked where it is about another model, and the release's own decision."""
    release = about.get("decision", {})
    for entry in about.get("evidence", ()):
        decision = entry["decision"]
        other = "" if decision["subject"] == release.get("subject") else f" (about {decision['subject'][:19]})"
        click.echo(f"{decision['verdict']:<9} {entry['name']}{other}: {decision['summary']}")
    for gate, reason in about.get("waived", {}).items():
        click.secho(f"waived    {gate}: {reason}", fg="yellow")
    if release:
        click.echo(f"{release['verdict']:<9} {release['gate']}: {release['summary']}")


def lineage(lineage: "Lineage | None", missing: str) -> None:
    """Print the run that made a version, or why it is not known."""
    if lineage is None:
        click.secho(f"lineage   {missing}", fg="yellow")
        return
    run = lineage.run
    click.echo(f"run       {run.run_id} ({run.pipeline}, {run.started:%Y-%m-%d %H:%M})")
    for key, value in {**run.parameters, **{f"code {name}": digest for name, digest in run.code.items()}}.items():
        click.echo(f"            {key}: {value}")
    for task in run.tasks:
        click.echo(f"  {task.name} ({'cached' if task.cached else f'{task.seconds:.1f} s'})")
        for name, artifact in task.outputs.items():
            click.echo(f"    -> {name}: {artifact.digest[:19] or 'no digest'}  {artifact.uri}")


def in_production(version: "ModelVersion") -> None:
    """Print which version is in production now."""
    click.secho(f"Version {version.version} of {version.name} is in production.", fg="green", bold=True)
    click.echo(f"model   {version.address}")
