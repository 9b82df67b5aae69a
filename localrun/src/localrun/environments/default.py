"""What stands for the images of a pipeline where nobody says anything else: this Python, in the current folder."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localrun.environments.environment import Environment, image_name
from localrun.spec.pipeline import Pipeline


def default_environments(
    pipeline: Pipeline,
    *,
    folders: Mapping[str, Path] | None = None,
    python: Path = Path(sys.executable),
    code: Sequence[Path] = (),
) -> dict[str, Environment]:
    """Return an environment per image: its folder in `folders`, else the current one.

    Only a folder that was given is taken to be in the image, so that lightweight components run in it, too. `code`
    counts as the code of every task, instead of what each can import or names.
    """
    given = dict(folders or {})
    chosen = {image_name(image): Path.cwd() for _, image in pipeline.images} | given
    sources = {"*": tuple(code)} if code else None
    return {
        image: Environment(cwd=folder, python=python, sources=sources, holds_folder=image in given)
        for image, folder in chosen.items()
    }
