"""Images on the cluster's nodes: which they have, and loading others from the local Docker, which pulls nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.cluster.errors import CommandFailed
from mlops.cluster.manifests.references import full
from mlops.cluster.nodes import kind
from mlops.cluster.programs.commands import Commands, parsed
from mlops.cluster.programs.deadline import Deadline
from mlops.cluster.site import Site

_BATCH_BYTES = 6e9
_HINTS = {
    "no space left": (
        "free disk where Docker keeps its data: `docker system df` shows what takes it; "
        "a load needs four times the image's size for a while"
    ),
    "content digest": (
        "the local Docker holds only a part of this image: `docker image rm` it, so that the cluster pulls it"
    ),
}


@dataclass(frozen=True)
class Local:
    """An image of the local Docker."""

    name: str
    size: int


def load(site: Site, names: Sequence[str], deadline: Deadline) -> list[str]:
    """Load onto every node what it lacks and the local Docker has; returns those that the cluster has to pull itself.

    Raises CommandFailed, with what to do, when kind cannot load one.
    """
    present = on_nodes(site.commands, kind.nodes(site.commands, site.settings.name))
    lacking = [name for name in names if full(name) not in present]
    local = in_docker(site.commands, [name for name in lacking if "@" not in name])
    site.progress.say(
        f"      {len(names)} images: {len(names) - len(lacking)} on the node, "
        f"{len(local)} to load from the local Docker"
    )
    for batch in _batches(local):
        listed = ", ".join(f"{image.name} ({image.size / 1e6:.0f} MB)" for image in batch)
        site.progress.say(f"      loading {listed}")
        _load(site, [image.name for image in batch], deadline)
    return [name for name in lacking if name not in {image.name for image in local}]


def on_nodes(commands: Commands, containers: Sequence[str]) -> set[str]:
    """Return the full names of the images that all nodes have; empty, so that all are loaded, without an answer."""
    each = [_on_node(commands, container) for container in containers]
    return set.intersection(*each) if each else set()


def in_docker(commands: Commands, names: Sequence[str]) -> list[Local]:
    """Return those of the images that the local Docker has, with their sizes."""
    if not names:
        return []
    found = parsed(commands.run(["docker", "image", "inspect", *names], check=False).stdout) or []
    sizes = {full(tag): int(image.get("Size") or 0) for image in found for tag in image.get("RepoTags") or ()}
    return [Local(name, sizes[full(name)]) for name in names if full(name) in sizes]


def _on_node(commands: Commands, container: str) -> set[str]:
    found = parsed(commands.answers(["docker", "exec", container, "crictl", "images", "--output=json"])) or {}
    images = found.get("images") or []
    return {
        name
        for image in images
        for kind_of_name in ("repoTags", "repoDigests")
        for name in image.get(kind_of_name) or ()
    }


def _batches(images: Sequence[Local]) -> Iterator[list[Local]]:
    """Cut into few loads: shared layers travel once in each, and what is loaded stays when we are interrupted."""
    batch: list[Local] = []
    for image in images:
        if batch and sum(one.size for one in batch) + image.size > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch


def _load(site: Site, names: Sequence[str], deadline: Deadline) -> None:
    try:
        site.commands.run(
            ["kind", "load", "docker-image", "--name", site.settings.name, *names],
            seconds=deadline.left(),
            on_line=site.progress.waiting,
        )
    except CommandFailed as error:
        hint = next((f"\n{hint}" for sign, hint in _HINTS.items() if sign in str(error)), "")
        raise CommandFailed(f"{error}{hint}", error.last_lines) from error
