"""`mlops pull-request`: what a pull request changes, as a comment on it."""

from pathlib import Path

import click


@click.group("pull-request")
def pull_request() -> None:
    """Say on a pull request what it changes."""


@pull_request.command()
@click.argument("parts", nargs=-1, metavar="[PART.md]...", type=click.Path(path_type=Path))
@click.option("--commit", required=True, metavar="SHA", help="The newest commit of the pull request.")
@click.option("--tests", type=click.Path(path_type=Path), help="A test report in JUnit's format, to summarize.")
@click.option("--repo", default="", metavar="OWNER/NAME", help="The repository on GitHub.")
@click.option("--dry-run", is_flag=True, help="Only print the comment.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def comment(
    *, parts: tuple[Path, ...], commit: str, tests: Path | None, repo: str, dry_run: bool, as_json: bool
) -> None:
    """Write one comment of PARTS, such as `mlops pipelines diff --markdown` prints, or replace the one that is there.

    The parts may come from code that nobody has reviewed: mentions, links, pictures and HTML in them are made harmless.
    """
    from core.errors import UsageError
    from mlops.actions.pull_request import post, written
    from mlops.cli.main import print_json

    text = written(commit, parts, tests)
    if dry_run:
        if as_json:
            print_json({"pull_request": None, "text": text})
        else:
            click.echo(text)
        return
    if not repo:
        raise UsageError("--repo: wanted OWNER/NAME of the repository, or --dry-run")
    number = post(repo, commit, text)
    if as_json:
        print_json({"pull_request": number, "text": text})
    elif number is None:
        click.echo(f"no open pull request has {commit[:12]} as its newest commit: nothing to comment on")
    else:
        click.echo(f"commented on pull request {number} of {repo}")
