"""This project's images in the local Docker: which exist, building those that do not, and pushing them."""

import re
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core import digest
from core.build_context import content_digest
from core.image_record import BuiltImage, ImageRecord
from core.images import BASE, GROUPS, PREFIX, Group, image, tag
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

Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """One image of the present sources, and whether the local Docker has it."""

    group: Group
    reference: str
    present: bool
    megabytes: int
    budget: int

    @property
    def is_too_big(self) -> bool:
        """Whether it is larger than its budget."""
        return self.megabytes > self.budget


class Images:
    """The images of the sources as they are when this object is made."""

    def __init__(self, commands: Commands, store: Store, on_line: Say = lambda _: None) -> None:
        """Work with a Docker; `on_line` gets every line of a build. MlopsError where the sources are missing."""
        self._commands = commands
        self._record = ImageRecord(store.images)
        self._sboms = store.root / "images"
        self._on_line = on_line
        self._tag = tag()
        self._base = replaced(BASE, read(commands.environment).overrides)

    def references(self) -> dict[str, str]:
        """Return bare name -> the reference that holds the sources as they are now."""
        return {image(group): self._reference(group) for group in GROUPS}

    def inspect(self) -> list[Image]:
        """Return each image as the local Docker has it; ClusterError when Docker does not answer."""
        self._need_engine()
        return [self._image(group) for group in GROUPS]

    def build(self, names: Sequence[str], say: Say, *, seconds: float = _BUILD_SECONDS, rebuild: bool = False) -> None:
        """Build those of these images that the local Docker lacks (with `rebuild` all of them), in that time together.

        Raises ClusterError when there is no engine or base image, a build fails or is late, or an image is over budget.
        """
        end = time.monotonic() + seconds
        self._need_engine()
        groups = [group for group in GROUPS if image(group) in names]
        missing = [group for group in groups if rebuild or not self._inspect(group)]
        for group in groups:
            if group not in missing:
                say(f"{self._reference(group)} is built: {_room(self._image(group))}")
        if missing:
            self._need_base(say)
        packed = builds.context(self._commands.environment) if missing else b""
        if tag() != self._tag:
            raise ClusterError("the sources were changed while they were being packed; build again")
        for group in missing:
            self._build(group, packed, end - time.monotonic(), say)
        if too_big := [one for one in map(self._image, groups) if one.is_too_big]:
            raise ClusterError(
                f"{', '.join(f'{one.reference} takes {_room(one)}' for one in too_big)}: over the budget; "
                "`docker history` shows which layer grew; leave it out in infra/images/install.sh, "
                "or raise BUDGETS in mlops/cluster/images/project.py with a reason"
            )

    def push(self, registry: str, say: Say) -> dict[str, str]:
        """Push every image to a registry and record the digests that it gives; returns name -> reference by digest.

        Raises ClusterError for an image that was not built, or a registry that refuses it.
        """
        self._need_engine()
        registry = registry.rstrip("/")
        if missing := [one.reference for one in self.inspect() if not one.present]:
            raise ClusterError(
                f"{', '.join(missing)}: not in the local Docker; run `mlops images build`, then push again"
            )
        return {image(group): self._push(group, registry, say) for group in GROUPS}

    def _reference(self, group: Group) -> str:
        return f"{image(group)}:{self._tag}"

    def _image(self, group: Group) -> Image:
        found = self._inspect(group)
        return Image(group, self._reference(group), bool(found), round(found.get("Size", 0) / 1e6), BUDGETS[group])

    def _inspect(self, group: Group) -> dict[str, Any]:
        """Return what docker knows of an image; empty when it is missing, or was built from another base image."""
        found = (parsed(self._commands.answers(["docker", "image", "inspect", self._reference(group)])) or [{}])[0]
        base = ((found.get("Config") or {}).get("Labels") or {}).get(_BASE_LABEL, self._base)
        return found if base == self._base else {}

    def _need_engine(self) -> None:
        for check in tools.docker(self._commands):
            if not check.ok:
                raise ClusterError(f"{check.name}: {check.found}; {check.fix}")

    def _need_base(self, say: Say) -> None:
        if self._commands.answers(["docker", "image", "inspect", self._base]):
            return
        say(f"pulling {self._base}, which is not in the local Docker yet")
        try:
            self._commands.run(["docker", "pull", self._base], seconds=_PULL_SECONDS, on_line=self._on_line)
        except CommandFailed as error:
            raise ClusterError(
                f"the base image {self._base} is not in the local Docker and cannot be pulled: "
                f"{error.last_lines or error}; "
                f"docker load or docker tag it, or name another one with MLOPS_IMAGE_OVERRIDES={BASE}=OTHER"
            ) from error

    def _build(self, group: Group, packed: bytes, seconds: float, say: Say) -> None:
        say(f"building {self._reference(group)}")
        began = time.monotonic()
        words = builds.command(group, self._reference(group), self._base, self._labels(), self._commands.environment)
        builds.run(self._commands, words, packed, max(1.0, seconds), self._on_line)
        found = self._inspect(group)
        took = round(time.monotonic() - began, 1)
        self._record.add_built(self._tag, group, BuiltImage(found["Id"], found["Size"], took, self._save_sbom(group)))
        say(f"built {self._reference(group)} in {took:.0f} s: {_room(self._image(group))}")

    def _labels(self) -> dict[str, str]:
        """Labels that name an image's origin; those without a value are left out."""
        version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        git = ["git", "-C", str(ROOT)]
        revision = self._commands.answers([*git, "rev-parse", "HEAD"])
        changed = "-changed" if revision and self._commands.answers([*git, "status", "--porcelain"]) else ""
        source = self._commands.answers([*git, "remote", "get-url", "origin"])
        return {
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.revision": f"{revision}{changed}",
            "org.opencontainers.image.source": re.sub(r"//[^/@]*@", "//", source),
            _BASE_LABEL: self._base,
            "ml-in-production.content": content_digest(),
        }

    def _save_sbom(self, group: Group) -> str:
        """Keep the bill of materials that the image holds, under its digest; return that."""
        words = [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "--entrypoint",
            "cat",
            self._reference(group),
            "/sbom.json",
        ]
        content = self._commands.run(words).stdout.encode()
        name = digest.of_bytes(content)
        self._sboms.mkdir(parents=True, exist_ok=True)
        (self._sboms / f"sbom-{group}-{name.removeprefix('sha256:')}.json").write_bytes(content)
        return name

    def _push(self, group: Group, registry: str, say: Say) -> str:
        target = f"{registry}/{self._reference(group)}"
        say(f"pushing {target}")
        self._commands.run(["docker", "tag", self._reference(group), target])
        output = self._commands.run(["docker", "push", target], seconds=_PUSH_SECONDS, on_line=self._on_line).stdout
        given = re.search(r"digest: (sha256:[0-9a-f]{64})", output)
        if given is None:
            raise ClusterError(f"docker push {target} named no digest; its output: {output[-300:].strip()}")
        self._record.add_pushed(registry, self._tag, group, given[1])
        return f"{registry}/{image(group)}@{given[1]}"


def names(groups: Iterable[str]) -> list[str]:
    """Return the bare names of groups, of all when there are none."""
    return [f"{PREFIX}{group}" for group in groups] or [image(group) for group in GROUPS]


def _room(one: Image) -> str:
    return f"{one.megabytes} of {one.budget} MB"
