"""Images on the cluster's nodes: lists them, and loads others from the local Docker without pulling."""

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
        "free disk where Docker keeps its data: `docker system df` shows what uses it; "
        "loading needs about four times the image's size for a while"
    ),
    "content digest": (
        "the local Docker has only a part of this image: `docker image rm` it, so that the cluster pulls it"
    ),
}


@dataclass(frozen=True)
class Local:
    """An image of the local Docker."""

    name: str
    size: int
    """Bytes."""


def load(site: Site, names: Sequence[str], deadline: Deadline) -> list[str]:
    """Load the images that a node lacks from the local Docker; return those that the cluster has to pull.

    Raises CommandFailed, with what to do, when kind cannot load one.
    """
    present = on_nodes(site.commands, kind.nodes(site.commands, site.settings.name))
    lacking = [name for name in names if full(name) not in present]
    local = in_docker(site.commands, [name for name in lacking if "@" not in name])
    site.progress.log(
        f"      {len(names)} images: {len(names) - len(lacking)} on the node, "
        f"{len(local)} to load from the local Docker"
    )
    for batch in _batches(local):
        listed = ", ".join(f"{image.name} ({image.size / 1e6:.0f} MB)" for image in batch)
        site.progress.log(f"      loading {listed}")
        _load(site, [image.name for image in batch], deadline)
    return [name for name in lacking if name not in {image.name for image in local}]


def on_nodes(commands: Commands, containers: Sequence[str]) -> set[str]:
    """Return the full names of the images that all nodes have; empty when a node does not answer."""
    each = [_on_node(commands, container) for container in containers]
    return set.intersection(*each) if each else set()


def in_docker(commands: Commands, names: Sequence[str]) -> list[Local]:
    """Return the images of these names that the local Docker has, with their sizes."""
    if not names:
        return []
    found = parsed(commands.run(["docker", "image", "inspect", *names], check=False).stdout) or []
    sizes: dict[str, int] = {}
    for image in found:
        sizes |= {full(tag): int(image.get("Size") or 0) for tag in image.get("RepoTags") or ()}
    return [Local(name, sizes[full(name)]) for name in names if full(name) in sizes]


def _on_node(commands: Commands, container: str) -> set[str]:
    found = parsed(commands.output(["docker", "exec", container, "crictl", "images", "--output=json"])) or {}
    names: set[str] = set()
    for image in found.get("images") or []:
        names.update(image.get("repoTags") or (), image.get("repoDigests") or ())
    return names


def _batches(images: Sequence[Local]) -> Iterator[list[Local]]:
    """Group images into a few loads: shared layers are copied once per load, and an interruption costs one load."""
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
