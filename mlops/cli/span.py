"""`--span` and `--version`: the data and the model that a run is about."""

import click

span_option = click.option(
    "--span",
    metavar="NUMBER|DATE|newest",
    help="The newest span to use; default: the one that the use case names.",
)
version_option = click.option(
    "--version",
    type=click.IntRange(min=1),
    help="The model version to predict with; default: the one in production.",
)
