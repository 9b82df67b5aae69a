"""Files by location: a path on this machine, or an address in an object store (`core.objects`).

What runs on workers of another machine is given addresses; what a step does with its own folders, paths.
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from core import digest, durable, objects
from core.errors import ConfigError, NoSuchObject, StoreError

Location = Path | str
"""A path, or an address such as `s3://bucket/folder` or `gs://bucket/folder`."""
MOUNTS = {"/gcs/": "gs://", "/s3/": "s3://", "/minio/": "s3://"}
"""Where Vertex AI and Kubeflow Pipelines mount, or copy, what has an address -> the address."""


def located(text: Location) -> Location:
    """Return the location that a text names."""
    return text if isinstance(text, str) and objects.is_address(text) else Path(text)


def remote(location: Location, what: str) -> str:
    """Return the address of a location that other machines must see; ConfigError where there is none."""
    text = str(location)
    if objects.is_address(text):
        return text
    for mount, scheme in MOUNTS.items():
        if text.startswith(mount):
            return f"{scheme}{text.removeprefix(mount)}"
    raise ConfigError(
        f"config.yaml: beam: workers on other machines do not see {what} {text}: run where artifacts are in an object "
        "store, or mount a volume at the same path in the workers and set shared_disk: true"
    )


def join(folder: Location, *names: str) -> Location:
    """Return the location of a name below a folder."""
    return objects.join(folder, *names) if isinstance(folder, str) else folder.joinpath(*names)


def opened(location: Location) -> BinaryIO:
    """Open for reading; NoSuchObject or FileNotFoundError where there is nothing."""
    return objects.open_object(location) if isinstance(location, str) else location.open("rb")


def read(location: Location) -> bytes:
    """Return the content of something small; FileNotFoundError where there is nothing."""
    if not isinstance(location, str):
        return location.read_bytes()
    try:
        return objects.read(location)
    except NoSuchObject as error:
        raise FileNotFoundError(str(error)) from error


def size(location: Location) -> int:
    """Return the bytes of a file; FileNotFoundError where there is none."""
    if not isinstance(location, str):
        return location.stat().st_size
    try:
        return objects.stat(location).size
    except NoSuchObject as error:
        raise FileNotFoundError(str(error)) from error


def write(location: Location, content: bytes, *, synced: bool = True) -> None:
    """Write a small file atomically; several writers may write the same content at a time.

    Without `synced`, a power cut may leave nothing of it on a disk: for what is of no use after one.
    """
    if isinstance(location, str):
        objects.write(location, content)
        return
    location.parent.mkdir(parents=True, exist_ok=True)
    staged = location.with_name(f"{durable.STAGING}{uuid.uuid4().hex}")
    if synced:
        durable.write(staged, content)
    else:
        staged.write_bytes(content)
    staged.replace(location)


def publish(file: Path, location: Location) -> str:
    """Move a finished file of this machine to a location, atomically, and return its digest."""
    found = digest.of_file(file)
    if isinstance(location, str):
        objects.upload(file, location, found)
        file.unlink()
        return found
    location.parent.mkdir(parents=True, exist_ok=True)
    if file.stat().st_dev != location.parent.stat().st_dev:
        raise StoreError(f"{file}: wanted a file beside {location}, to be renamed; write it in `scratch(location)`")
    file.replace(location)
    durable.sync(location.parent)
    return found


@contextmanager
def scratch(beside: Location) -> Iterator[Path]:
    """Make a folder of this machine for files that `publish` moves to places below a folder; removed at the end."""
    if isinstance(beside, str):
        with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
            yield Path(folder)
        return
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=durable.STAGING) as folder:
        yield Path(folder)


@contextmanager
def on_disk(location: Location) -> Iterator[Path]:
    """Give a file, or a copy of it that is removed at the end, on this machine's disk."""
    if not isinstance(location, str):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        path = Path(folder) / location.rpartition("/")[2]
        objects.download(location, path)
        yield path


def copy_here(folder: Location, target: Path) -> None:
    """Copy all files below a folder to a folder of this machine, over what is there."""
    for name in files(folder):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with on_disk(join(folder, name)) as found:
            shutil.copyfile(found, path)


def copy_there(folder: Path, target: Location) -> None:
    """Copy all files below a folder of this machine to a location, over what is there."""
    for name in files(folder):
        place = join(target, name)
        if isinstance(place, str):
            objects.upload(folder / name, place, digest.of_file(folder / name))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, place)


def files(folder: Location) -> list[str]:
    """Return the names of all files below a folder, sorted; none where there is no such folder."""
    if isinstance(folder, str):
        return sorted(one.address.removeprefix(f"{folder}/") for one in objects.walk(folder))
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def remove_file(location: Location) -> None:
    """Remove one file; does nothing where there is none."""
    if isinstance(location, str):
        objects.delete(location)
    else:
        location.unlink(missing_ok=True)


def remove(folder: Location) -> None:
    """Remove a folder and all below it; does nothing where there is none."""
    if isinstance(folder, str):
        for one in objects.walk(folder):
            objects.delete(one.address)
        return
    shutil.rmtree(folder, ignore_errors=True)
