"""The server's certificate, renewed without a restart."""

import logging

from core.errors import UsageError
from serving.http.policy import TlsFiles

_LOG = logging.getLogger("serving")


class Certificate:
    """A context for connections, and the files' content, that follow the files."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files; UsageError when they are no certificate and its key."""
        self._files = files
        self._stamp = self._look()
        self.context = files.context()
        self.pem = files.read()

    def follow(self) -> None:
        """Load the files again when they have changed; a pair that does not fit is logged and not used."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._files.context()  # tried first: a context that half took a pair would refuse every connection
            self._files.load_into(self.context)
            self.pem = self._files.read()
        except (UsageError, OSError) as error:
            _LOG.error("the certificate before it stays: %s", error)
            return
        _LOG.info("%s: has changed; new connections get it", self._files.certificate)

    def _look(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in (self._files.certificate, self._files.key):
            try:
                status = path.stat()
                found.append((status.st_ino, status.st_mtime_ns, status.st_size))
            except OSError as error:
                found.append(error.errno)
        return tuple(found)
