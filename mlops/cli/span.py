"""`--span`: the newest span that a run uses."""

import click

span_option = click.option(
    "--span",
    metavar="NUMBER|DATE|newest",
    help="The newest span to use; default: the one that the use case names.",
)
