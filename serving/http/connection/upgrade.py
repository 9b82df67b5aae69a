"""Ignores offers to speak another protocol, as HTTP allows a server to.

Java's HttpClient offers HTTP/2 with its first request. The parser takes such an offer for the end of HTTP: it reports
no body, and would read the body as the next request.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class UpgradeBlindProtocol(HttpToolsProtocol):
    """Answers a request that offers an upgrade as if it did not, its body included."""

    _stands_in = False
    """Whether the parser reads a head that stands in for one with an offer; it is not a request."""
    _body_follows = False
    """Whether the parser reports the end of a request whose body it has not read."""

    def data_received(self, data: bytes) -> None:
        """Read data; 400 when it is not HTTP."""
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("invalid")

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._stands_in:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        if not self._stands_in:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if not self._stands_in:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if not self._stands_in:
            self._body_follows = self.parser.should_upgrade() and any(
                name in _FRAMING and value != b"0" for name, value in self.headers
            )
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Hand the end of the body to the application."""
        if not self._body_follows:
            super().on_message_complete()

    def _feed(self, data: bytes) -> bytes:
        """Give data to the parser, and return what it left because of an offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if self._body_follows:
                self._expect_body()
            return data[offer.args[0] :]
        return b""

    def _expect_body(self) -> None:
        """Put another parser in the place of this one, with a head of the same framing and without the offer."""
        head = [b"%s: %s\r\n" % header for header in self.headers if header[0] in _FRAMING]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._stands_in, self._body_follows = True, False
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(head))
        self._stands_in = False
