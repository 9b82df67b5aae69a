"""Terraform's files as blocks, read without Terraform."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

from tests.infra.rendered import ROOT

INFRA = ROOT / "infra"
MODULES = sorted(path for path in (INFRA / "modules").iterdir() if path.is_dir())
ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass(frozen=True)
class Block:
    """One block: `resource "type" "name"`, `variable "name"`, or, without labels, `locals`."""

    folder: str
    kind: str
    type: str
    name: str
    body: Mapping[str, Any]

    @property
    def address(self) -> str:
        return ".".join(filter(None, (self.folder, self.kind, self.type, self.name)))

    @property
    def text(self) -> str:
        """All strings in it, one a line."""
        return "\n".join(strings(self.body))


def blocks(text: str, folder: str = "planted") -> list[Block]:
    """Read a file's blocks."""
    return [
        block
        for kind, written in plain(hcl2.loads(text)).items()
        if isinstance(written, list)
        for one in written
        for block in _labelled(folder, kind, one)
    ]


@functools.cache
def tree() -> tuple[Block, ...]:
    """Read the blocks of the root and of all modules; a block's folder is its file's, below infra/."""
    return tuple(
        block
        for path in sorted(INFRA.rglob("*.tf"))
        if ".terraform" not in path.parts
        for block in blocks(path.read_text(encoding="utf-8"), path.parent.relative_to(INFRA).as_posix())
    )


def plain(value: Any) -> Any:
    """Drop what the parser adds: quotes around strings, marks of blocks, comments."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if key not in ("__is_block__", "__comments__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def strings(value: Any) -> Iterator[str]:
    """Yield every string that is no key, however deep."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def examples(readme: Path) -> list[str]:
    """Return the HCL blocks of a page."""
    return re.findall(r"```hcl\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)


def _labelled(folder: str, kind: str, written: Mapping[str, Any]) -> Iterator[Block]:
    if kind in ("resource", "data"):
        for type_, named in written.items():
            for name, body in named.items():
                yield Block(folder, kind, type_, name, body)
    elif kind in ("variable", "output", "module", "provider"):
        for name, body in written.items():
            yield Block(folder, kind, "", name, body)
    else:
        yield Block(folder, kind, "", "", written)
