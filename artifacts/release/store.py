"""The releases of a store, with the files that they are made of, and the logs of the environments.

`<store>/releases/records/<hex>.json`, `blobs/<hex>` and `environments/<name>/<use case>/<number>.json`: nothing is ever
overwritten, so that all environments read the same bytes.
"""

import re

from artifacts.release.environment_log import EnvironmentLog
from artifacts.release.record import Release
from core import digest
from core.backends.numbered_log import NumberedLog
from core.backends.places import open_place
from core.errors import CorruptArtifact, NoSuchObject, UsageError

_RECORDS, _BLOBS, _ENVIRONMENTS = "records", "blobs", "environments"
_PREFIX = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})", re.ASCII)


class Releases:
    """The releases below a path or an address."""

    def __init__(self, root: str) -> None:
        self._place = open_place(root)

    def ids(self) -> list[str]:
        """Return the ids of all releases, sorted."""
        names = self._place.names(_RECORDS)
        return [f"sha256:{name.removesuffix('.json')}" for name in names if name.endswith(".json")]

    def get(self, release_id: str) -> Release:
        """Return a release; UsageError when there is none, CorruptArtifact when its record was changed."""
        return Release.parse(self.content(release_id), release_id, self.address(release_id))

    def content(self, release_id: str) -> bytes:
        """Return the bytes of a record, unchecked; UsageError when there is none."""
        try:
            return self._place.read(_record(release_id))
        except NoSuchObject:
            raise UsageError(f"{self._place.address}: no release {release_id}; see: mlops release list") from None

    def address(self, release_id: str) -> str:
        """Return the address of a record."""
        return f"{self._place.address}/{_record(release_id)}"

    def find(self, given: str) -> str:
        """Return the id that a person gave: whole, its first digits, or `USECASE@ENVIRONMENT` for what runs there.

        Raises UsageError when none fits, or several do.
        """
        usecase, separator, environment = given.partition("@")
        if separator:
            current = self.log(environment, usecase).current()
            if current.release is None:
                raise UsageError(f"{given}: {environment} runs no release of {usecase} yet")
            return current.release
        match = _PREFIX.fullmatch(given)
        if match is None:
            raise UsageError(f"wanted a release as sha256:<hex digits> or USECASE@ENVIRONMENT, got {given!r}")
        found = [release_id for release_id in self.ids() if release_id.startswith(f"sha256:{match[1]}")]
        if len(found) != 1:
            raise UsageError(f"{self._place.address}: {len(found)} releases begin with {match[1]}; wanted one")
        return found[0]

    def add(self, release: Release) -> str:
        """Keep a release whose blobs are there, and return its id; repeated, it changes nothing."""
        for what, blob in release.blobs.items():
            try:
                self.blob(blob)
            except CorruptArtifact as error:
                raise CorruptArtifact(f"{what}: {error}") from None
        self._create(_record(release.id), release.content())
        return release.id

    def add_blob(self, content: bytes) -> str:
        """Keep a file and return its digest; repeated, it changes nothing."""
        found = digest.of_bytes(content)
        self._create(_blob(found), content)
        return found

    def blob(self, wanted: str) -> bytes:
        """Return a file; CorruptArtifact when it is missing or was changed."""
        where = f"{self._place.address}/{_blob(wanted)}"
        try:
            content = self._place.read(_blob(wanted))
        except NoSuchObject:
            raise CorruptArtifact(f"{where}: missing") from None
        got = digest.of_bytes(content)
        if got != wanted:
            raise CorruptArtifact(f"{where}: wanted {wanted}, got {got}")
        return content

    def log(self, environment: str, usecase: str) -> EnvironmentLog:
        """Return the log of a use case in an environment."""
        folder = f"{_ENVIRONMENTS}/{environment}/{usecase}"
        return EnvironmentLog(NumberedLog(self._place, folder), environment, usecase)

    def environments(self) -> list[str]:
        """Return the environments that have a log."""
        return self._place.names(_ENVIRONMENTS)

    def usecases(self, environment: str) -> list[str]:
        """Return the use cases that have a log in an environment."""
        return self._place.names(f"{_ENVIRONMENTS}/{environment}")

    def _create(self, name: str, content: bytes) -> None:
        """Create a file whose name follows from its content; CorruptArtifact where it is there with other content."""
        if self._place.create(name, content) or self._place.read(name) == content:
            return
        raise CorruptArtifact(
            f"{self._place.address}/{name}: its content is not what its name says; remove it, and try again"
        )


def _record(release_id: str) -> str:
    return f"{_RECORDS}/{release_id.removeprefix('sha256:')}.json"


def _blob(wanted: str) -> str:
    return f"{_BLOBS}/{wanted.removeprefix('sha256:')}"
