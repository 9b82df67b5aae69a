"""Prints releases and environments for people."""

from typing import Any

import click


def show(found: dict[str, Any]) -> None:
    """Print what `mlops release list` found: the releases, or an environment's history."""
    if "moves" in found:
        _show_history(found)
        return
    for move in found["environments"]:
        click.echo(
            f"{click.style(move['environment'], bold=True):<12}  {move['usecase']}  {_short(move['release'])}  "
            f"since {_time(move['at'])}, {move['action']} by {move['by']}: {move['why']}"
        )
    for one in found["releases"]:
        where = ", ".join(one["runs_in"]) or "-"
        model = f"model {one['model'].partition('@')[0]}" if one["model"] else "code alone"
        clean = "" if one["clean"] else " (changed)"
        commit = f"{one['commit'][:12] or 'no commit'}{clean}"
        click.echo(f"  {_short(one['id'])}  {one['usecase']}  {one['pipeline']}  {commit}  {model}  runs in {where}")
    if not found["releases"]:
        click.echo("No release yet; create one with: mlops release create RUN")
    for problem in found["problems"]:
        click.secho(f"  {problem}", fg="red", err=True)


def show_release(found: dict[str, Any]) -> None:
    """Print a record."""
    record = found["record"]
    build, model = record["build"], record["model"]
    click.secho(found["id"], bold=True)
    _line("runs in", ", ".join(found["runs_in"]) or "no environment")
    _line("use case", f"{build['usecase']}, pipeline {build['pipeline']}")
    _line("commit", f"{build['commit'] or 'unknown'}{'' if build['clean'] else ', with changed files'}")
    _line("pipeline", build["compiled"])
    _line("configuration", build["configuration"])
    for name, reference in build["images"].items():
        _line("image", reference)
        sbom = build["sboms"].get(name.rpartition("/")[2])
        _line("", f"SBOM {sbom or 'missing'}")
    _line(
        "model", f"{model['name']} version {model['version']}, {model['digest']}" if model else "trained where it runs"
    )
    for entry in record["decisions"]["entries"]:
        _line("decision", f"{entry['decision']['verdict']:<5} {entry['name']}: {entry['decision']['summary']}")
    for proof in record["proofs"]:
        _line(proof["kind"], f"{proof['decision']['verdict']}: {proof['decision']['summary']}")
    _line("from", record["origin"])


def _show_history(found: dict[str, Any]) -> None:
    for move in found["moves"]:
        click.echo(
            f"{move['number']:>4}  {_time(move['at'])}  {move['action']:<8}  {move['usecase']}  "
            f"{_short(move['before'] or 'nothing')} → {_short(move['release'])}  {move['by']}: {move['why']}"
        )
    if not found["moves"]:
        click.echo(f"{found['environment']} never ran a release; see: mlops release promote")


def _short(id: str) -> str:
    return id.removeprefix("sha256:")[:12]


def _time(at: str) -> str:
    return at[:16].replace("T", " ")


def _line(label: str, text: str) -> None:
    click.echo(f"  {label:<14} {text}")
