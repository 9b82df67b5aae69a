"""Gathers what a release is built from: commit, compiled pipeline, configuration, images and their SBOMs."""

import os
import re
from pathlib import Path
from typing import Any

from artifacts.release.record import Build
from artifacts.release.store import Releases
from core import images
from core.image_record import ImageRecord
from core.source_commit import source_commit
from core.store import Store
from core.user_code import ROOT
from pipelines.config import UseCase
from pipelines.environments import load_environments

_IMAGE = re.compile(r"^ +image: (\S+)$", re.MULTILINE)


DELIVERED = "level1"
"""The pipeline that environments run: a release of any run has this one."""
RELEASES = "MLOPS_RELEASES"
"""Variable with the folder or address of the store whose releases a run may name; default: the run's own store."""


def released_pipeline(given: str, store: Store) -> tuple[str, Build, bytes]:
    """Return id, build and compiled pipeline of a release.

    Raises UsageError for an unknown one, CorruptArtifact for bytes that were changed.
    """
    root = os.environ.get(RELEASES, "")
    releases = Releases(f"{root.rstrip('/')}/releases" if root else store.releases)
    release_id = releases.find(given)
    build = releases.get(release_id).build
    return release_id, build, releases.blob(build.compiled)


def release_parameters(usecase: UseCase, compiled: Path, store: Store) -> dict[str, Any]:
    """Return what a pipeline that creates a release is given: build, releases and environments."""
    return {
        "build": build_of(usecase, compiled, store).content(),
        "releases": store.releases,
        "environments": load_environments().model_dump_json(exclude_none=True),
    }


def build_of(usecase: UseCase, compiled: Path, store: Store) -> Build:
    """Describe the pipeline to deliver, compiled, and what it was built from; its files go to the store's releases.

    A use case outside of the project's checkout is of no commit.
    """
    releases, source = Releases(store.releases), source_commit()
    is_inside = usecase.folder.is_relative_to(ROOT)
    content = compiled.read_bytes()
    references = _references(content.decode())
    return Build(
        usecase=usecase.name,
        pipeline=DELIVERED,
        compiled=releases.add_blob(content),
        configuration=releases.add_blob((usecase.folder / "config.yaml").read_bytes()),
        images=references,
        sboms=_sboms(store, releases, references),
        commit=source.commit if is_inside else "",
        clean=source.clean and is_inside,
    )


def _references(compiled: str) -> dict[str, str]:
    """Return the images of a compiled pipeline: name -> reference."""
    known = [images.image(group) for group in images.GROUPS]
    found = {}
    for reference in sorted(set(_IMAGE.findall(compiled))):
        bare = re.sub(r"(@sha256:[0-9a-f]{64}|:[^/]*)$", "", reference)
        name = next((name for name in known if bare == name or bare.endswith(f"/{name}")), bare)
        found[name] = reference
    return found


def _sboms(store: Store, releases: Releases, references: dict[str, str]) -> dict[str, str]:
    """Keep the bills of materials of the images that this machine built, and return their digests by group."""
    found = {}
    for group, digest in sorted(ImageRecord(store.images).sboms(images.tag()).items()):
        path = store.images.parent / "images" / f"sbom-{group}-{digest.removeprefix('sha256:')}.json"
        if f"{images.PREFIX}{group}" in references and path.is_file():
            found[group] = releases.add_blob(path.read_bytes())
    return found
