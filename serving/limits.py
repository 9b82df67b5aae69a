"""How much one client may ask of the server, and for how long."""

from dataclasses import dataclass

from core.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """Caps of one serving process; each protects the other clients from one."""

    body_bytes: int = 4 << 20
    """Largest request body, also after inflating gzip."""
    memory_bytes: int = 512 << 20
    """Memory of all requests together, from the first byte to the answer; beyond it a request is answered 503.
    A body is charged with its bytes while it arrives, and then with `expansion` times its bytes."""
    expansion: int = 64
    """Most bytes of memory that one byte of a body becomes. Measured: 48 (a list of NaN), 44 (lists nested 28
    deep), 32 (`[[]]`); rows of a use case 18; a long text 8."""
    answer_bytes: int = 0
    """Largest body of an answer to a predict request, where who passes it on takes no larger one; 0: no cap."""
    rows: int = 4096
    """Most rows of one request."""
    explain_rows: int = 32
    """Most rows of a request to explain: each takes some thousand evaluations of the model."""
    depth: int = 32
    """Deepest nesting of JSON that is parsed; checked before parsing, because parsing is recursive."""
    header_bytes: int = 32 << 10
    """Largest request line and headers together."""
    header_seconds: float = 10.0
    """Time from the first byte of a request, or from connecting, to the end of its headers."""
    body_seconds: float = 10.0
    """Time to send the whole body; slower clients are disconnected."""
    linger_seconds: float = 2.0
    """Time to read the rest of a body that is already answered with an error, so that the client reads the answer."""
    linger_bytes: int = 64 << 20
    """Most bytes of such a body; then the connection is closed although the client still sends."""
    write_seconds: float = 30.0
    """Time for the client to take an answer."""
    idle_seconds: float = 60.0
    """How long an idle connection is kept open."""
    connections: int = 1024
    """Most connections at one time; one more is answered 503 and closed."""
    answer_seconds: float = 30.0
    """Time from the whole body to the answer, the wait for a thread included."""
    pending: int = 256
    """Most requests waiting for a thread; one more is answered 503."""
    threads: int = 2
    """Threads that predict; TensorFlow releases Python's lock while it computes."""

    def __post_init__(self) -> None:
        """Refuse limits under which the largest body could never be answered: UsageError."""
        if self.memory_bytes < self.body_bytes * self.expansion:
            raise UsageError(
                f"memory_bytes: wanted at least {self.body_bytes * self.expansion} for a body of {self.body_bytes} "
                f"bytes, got {self.memory_bytes}; allow more memory or smaller bodies"
            )
