"""The code that workers of another machine get: this project, and the folder of a use case, as wheels.

The project's wheel has the files that images have (`core.build_context`), so that a worker with the step's libraries
can import whatever the step can. A wheel is written here, and not by a build, because a step has no build tools and
needs no other machine for it. Equal sources give equal bytes.
"""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from core import build_context, code_files, digest
from core.user_code import ROOT

PROJECT = "mlops_project"
USE_CASE = "mlops_usecase"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def project(target: Path, root: Path = ROOT) -> Path:
    """Write the project's wheel into a folder, and return its path."""
    names = [name for name in build_context.files(root) if _is_package_file(name)]
    return _write(target, PROJECT, {name: root / name for name in names})


def use_case(target: Path, folder: Path) -> Path:
    """Write the wheel of a use case's folder, which is importable as `usecases.<folder>`, and return its path."""
    files = {path.relative_to(folder).as_posix(): path for path in code_files.walk(folder) if path.is_file()}
    return _write(target, USE_CASE, {f"usecases/{folder.name}/{name}": path for name, path in files.items()})


def _is_package_file(name: str) -> bool:
    return "/" in name and not name.startswith(("infra/", "localrun/"))


def _write(target: Path, name: str, files: Mapping[str, Path]) -> Path:
    version = f"0+{digest.of_files(files.items()).removeprefix('sha256:')[:16]}"
    info = f"{name}-{version}.dist-info"
    contents = {path: files[path].read_bytes() for path in sorted(files)}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: mlops\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{path},sha256={_hash(content)},{len(content)}" for path, content in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    wheel = target / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in contents.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return wheel


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
