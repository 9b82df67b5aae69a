"""This project's images in the local Docker: lists, builds and pushes them."""

import re
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core import digest
from core.build_context import content_digest
from core.image_record import BuiltImage, ImageRecord
from core.images import BASE, GROUPS, PREFIX, Group, image, tag, tag_of
from core.store import Store
from core.user_code import ROOT
from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.images import builds
from mlops.cluster.manifests.references import replaced
from mlops.cluster.programs import tools
from mlops.cluster.programs.commands import Commands, parsed
from mlops.cluster.settings import read

BUDGETS = {"data": 600, "serving": 2000, "tfx": 3300}
"""Largest size of each image in MB (10^6 bytes). TensorFlow alone is 1,280; `serving` and `tfx` share 1,800."""
_BASE_LABEL = "org.opencontainers.image.base.name"
_PULL_SECONDS = 900.0
_BUILD_SECONDS = 3600.0
_PUSH_SECONDS = 3600.0

Log = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """One image of the present sources."""

    group: Group
    reference: str
    present: bool
    """Whether the local Docker has it."""
    megabytes: int
    """Size in MB (10^6 bytes); 0 when it is not present."""
    budget: int
    """Largest size, in MB."""

    @property
    def is_too_big(self) -> bool:
        """Whether it is larger than its budget."""
        return self.megabytes > self.budget


class Images:
    """The images of the sources as they are when this object is made."""

    def __init__(self, commands: Commands, store: Store, on_line: Log = lambda _: None) -> None:
        """Use the Docker that `commands` reach; `on_line` gets every line of a build. MlopsError without sources."""
        self._commands = commands
        self._record = ImageRecord(store.images)
        self._sboms = store.root / "images"
        self._on_line = on_line
        self._content = content_digest()
        self._tag = tag_of(self._content)
        self._base = replaced(BASE, read(commands.environment).overrides)

    def references(self) -> dict[str, str]:
        """Return bare name -> the reference that holds the sources as they are now."""
        return {image(group): self._reference(group) for group in GROUPS}

    def inspect(self) -> list[Image]:
        """Return each image as the local Docker has it; ClusterError when Docker does not answer."""
        self._need_engine()
        return [self._image(group) for group in GROUPS]

    def build(self, names: Sequence[str], log: Log, *, seconds: float = _BUILD_SECONDS, rebuild: bool = False) -> None:
        """Build the named images that the local Docker lacks, or with `rebuild` all named ones, within `seconds`.

        Raises ClusterError without an engine or base image, when a build fails or is late, and for an image that is
        larger than its budget.
        """
        end = time.monotonic() + seconds
        self._need_engine()
        groups = [group for group in GROUPS if image(group) in names]
        missing = [group for group in groups if rebuild or not self._inspect(group)]
        for group in groups:
            if group not in missing:
                log(f"{self._reference(group)} is built: {_room(self._image(group))}")
        if missing:
            self._need_base(log)
        packed = builds.context(self._commands.environment) if missing else b""
        if tag() != self._tag:
            raise ClusterError("the sources changed while they were packed; build again")
        for group in missing:
            self._build(group, packed, end - time.monotonic(), log)
        if too_big := [one for one in map(self._image, groups) if one.is_too_big]:
            raise ClusterError(
                f"{', '.join(f'{one.reference} takes {_room(one)}' for one in too_big)}: over the budget; "
                "`docker history` shows which layer grew; leave it out in infra/images/install.sh, "
                "or raise BUDGETS in mlops/cluster/images/project.py with a reason"
            )

    def push(self, registry: str, log: Log) -> dict[str, str]:
        """Push every image to a registry and record their digests there; return name -> reference by digest.

        Raises ClusterError for an image that was not built, CommandFailed when the registry refuses one.
        """
        self._need_engine()
        registry = registry.rstrip("/")
        if missing := [one.reference for one in self.inspect() if not one.present]:
            raise ClusterError(
                f"{', '.join(missing)}: not in the local Docker; run `mlops images build`, then push again"
            )
        return {image(group): self._push(group, registry, log) for group in GROUPS}

    def pushed(self, registry: str) -> dict[Group, dict[str, str]]:
        """Return what a registry has of each group: `name`, `digest`, and the file name of its bill of materials."""
        sboms, digests = self._record.sboms(self._tag), self._record.pushed(registry.rstrip("/"), self._tag)
        return {
            group: {
                "name": f"{registry.rstrip('/')}/{image(group)}",
                "digest": digests[group],
                "sbom": self._sbom_file(group, sboms[group]).name if group in sboms else "",
            }
            for group in GROUPS
            if group in digests
        }

    def _reference(self, group: Group) -> str:
        return f"{image(group)}:{self._tag}"

    def _image(self, group: Group) -> Image:
        found = self._inspect(group)
        return Image(group, self._reference(group), bool(found), round(found.get("Size", 0) / 1e6), BUDGETS[group])

    def _inspect(self, group: Group) -> dict[str, Any]:
        """Return docker's description of an image; empty when it is missing or was built from another base image."""
        found = (parsed(self._commands.output(["docker", "image", "inspect", self._reference(group)])) or [{}])[0]
        base = ((found.get("Config") or {}).get("Labels") or {}).get(_BASE_LABEL, self._base)
        return found if base == self._base else {}

    def _need_engine(self) -> None:
        for check in tools.docker(self._commands):
            if not check.ok:
                raise ClusterError(f"{check.name}: {check.found}; {check.fix}")

    def _need_base(self, log: Log) -> None:
        if self._commands.output(["docker", "image", "inspect", self._base]):
            return
        log(f"pulling {self._base}, which is not in the local Docker yet")
        try:
            self._commands.run(["docker", "pull", self._base], seconds=_PULL_SECONDS, on_line=self._on_line)
        except CommandFailed as error:
            raise ClusterError(
                f"the base image {self._base} is not in the local Docker and cannot be pulled: "
                f"{error.last_lines or error}; "
                f"docker load or docker tag it, or name another one with MLOPS_IMAGE_OVERRIDES={BASE}=OTHER"
            ) from error

    def _build(self, group: Group, packed: bytes, seconds: float, log: Log) -> None:
        log(f"building {self._reference(group)}")
        began = time.monotonic()
        argv = builds.command(group, self._reference(group), self._base, self._labels, self._commands.environment)
        builds.run(self._commands, argv, packed, max(1.0, seconds), self._on_line)
        found = self._inspect(group)
        took = round(time.monotonic() - began, 1)
        self._record.add_built(self._tag, group, BuiltImage(found["Id"], found["Size"], took, self._save_sbom(group)))
        log(f"built {self._reference(group)} in {took:.0f} s: {_room(self._image(group))}")

    @cached_property
    def _labels(self) -> dict[str, str]:
        """Labels that name an image's origin; those without a value are left out."""
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        git = ["git", "-C", str(ROOT)]
        revision = self._commands.output([*git, "rev-parse", "HEAD"])
        changed = "-changed" if revision and self._commands.output([*git, "status", "--porcelain"]) else ""
        source = self._commands.output([*git, "remote", "get-url", "origin"])
        return {
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.revision": f"{revision}{changed}",
            "org.opencontainers.image.source": re.sub(r"//[^/@]*@", "//", source),
            _BASE_LABEL: self._base,
            "ml-in-production.content": self._content,
        }

    def _save_sbom(self, group: Group) -> str:
        """Keep the image's bill of materials in a file named by its digest; return the digest."""
        run = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "cat"]
        content = self._commands.run([*run, self._reference(group), "/sbom.json"]).stdout.encode()
        name = digest.of_bytes(content)
        self._sboms.mkdir(parents=True, exist_ok=True)
        self._sbom_file(group, name).write_bytes(content)
        return name

    def _sbom_file(self, group: str, name: str) -> Path:
        return self._sboms / f"sbom-{group}-{name.removeprefix('sha256:')}.json"

    def _push(self, group: Group, registry: str, log: Log) -> str:
        target = f"{registry}/{self._reference(group)}"
        log(f"pushing {target}")
        self._commands.run(["docker", "tag", self._reference(group), target])
        output = self._commands.run(["docker", "push", target], seconds=_PUSH_SECONDS, on_line=self._on_line).stdout
        given = re.search(r"digest: (sha256:[0-9a-f]{64})", output)
        if given is None:
            raise ClusterError(f"docker push {target} printed no digest; its output: {output[-300:].strip()}")
        self._record.add_pushed(registry, self._tag, group, given[1])
        return f"{registry}/{image(group)}@{given[1]}"


def names(groups: Iterable[str]) -> list[str]:
    """Return the bare names of the images of groups; of all groups when none is given."""
    return [f"{PREFIX}{group}" for group in groups] or [image(group) for group in GROUPS]


def _room(one: Image) -> str:
    return f"{one.megabytes} of {one.budget} MB"
