"""A folder that refuses what a mounted bucket refuses: renames of folders, and files that are moved in or out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf


class RefusedRenameError(Exception):
    """No OSError, because `shutil.move` would answer that by a copy."""


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Refuse renames of folders in or below `folder`, and renames of files across its border, during the block."""

    def refusing(rename: Any) -> Any:
        def checked(source: Any, target: Any, **options: Any) -> None:
            inside = [Path(os.fsdecode(path)).is_relative_to(folder) for path in (source, target)]
            if any(inside) and (not all(inside) or Path(os.fsdecode(source)).is_dir()):
                raise RefusedRenameError(f"{source} -> {target}")
            rename(source, target, **options)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((os, "rename"), (os, "replace"), (tf.io.gfile, "rename")):
            patch.setattr(module, name, refusing(getattr(module, name)))
        yield
