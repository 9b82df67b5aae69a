"""The log of an environment: which release it runs, and every move with its reason; it only grows."""

import getpass
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artifacts.release.proof import Proof
from core import digest
from core.backends.numbered_log import NumberedLog
from core.decision import Decision
from core.errors import CorruptArtifact, RegistryError

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Note:
    """Who moves an environment, and why."""

    by: str
    why: str

    @classmethod
    def mine(cls, why: str) -> "Note":
        """Name the account that a workflow runs for (GITHUB_ACTOR), or the user of this machine."""
        return cls(os.environ.get("GITHUB_ACTOR") or f"{getpass.getuser()}@{socket.gethostname()}", why)


class Move(BaseModel):
    """One entry of the log, with the state after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    environment: str
    usecase: str
    number: int
    action: Literal["promote", "rollback"]
    release: Digest
    """What the environment runs from now on."""
    before: Digest | None
    """What it ran before."""
    earlier: tuple[Digest, ...] = ()
    """What a rollback goes back to, the most recent last."""
    withdrawn: tuple[Digest, ...] = ()
    """What was rolled back and not promoted since."""
    by: str
    why: str
    at: str
    """ISO 8601 in UTC."""
    decision: Decision | None = None
    """The checks of a promotion."""
    proofs: tuple[Proof, ...] = ()
    """Evidence that was given with it."""
    preceding: str
    """Digest of the entry before; empty for the first one. A changed entry breaks the chain."""
    nonce: str
    """Makes two writers' entries differ."""


@dataclass(frozen=True)
class Current:
    """The state of an environment, and what the next entry follows."""

    number: int = 0
    digest: str = ""
    """Of the newest entry."""
    move: Move | None = None

    @property
    def release(self) -> str | None:
        """What the environment runs."""
        return self.move.release if self.move else None

    def had(self, release: str) -> bool:
        """Whether the environment runs a release, or ran it and was not rolled back from it."""
        return self.move is not None and release in {self.move.release, *self.move.earlier}

    def withdrew(self, release: str) -> bool:
        """Whether a release was rolled back here, and not promoted since."""
        return self.move is not None and release in self.move.withdrawn


class EnvironmentLog:
    """The log of one use case in one environment."""

    def __init__(self, log: NumberedLog, environment: str, usecase: str) -> None:
        self._log = log
        self.environment = environment
        self.usecase = usecase

    def current(self) -> Current:
        """Return the present state; CorruptArtifact where its entry cannot be read."""
        number, content = self._log.latest()
        return Current(number, digest.of_bytes(content), self._parsed(number, content)) if number else Current()

    def history(self) -> list[Move]:
        """Return all entries, oldest first; CorruptArtifact where one is missing or was changed."""
        moves: list[Move] = []
        before = ""
        for expected, number in enumerate(self._log.numbers(), 1):
            if number != expected:
                raise CorruptArtifact(f"{self._log.address(expected)}: missing; entries are never removed")
            content = self._log.read(number)
            move = self._parsed(number, content)
            if move.preceding != before:
                raise CorruptArtifact(
                    f"{self._log.address(number)}: wanted the entry after {before or 'none'}, "
                    f"got {move.preceding}: an entry was changed"
                )
            moves.append(move)
            before = digest.of_bytes(content)
        return moves

    def promote(self, after: Current, release: str, note: Note, decision: Decision, proofs: tuple[Proof, ...]) -> Move:
        """Point the environment to a release; does nothing when it runs that already.

        Raises RegistryError when another process moved the environment since `after` was read.
        """
        if after.move is not None and after.release == release:
            return after.move
        old = after.move
        earlier = (*old.earlier, old.release) if old else ()
        withdrawn = tuple(one for one in old.withdrawn if one != release) if old else ()
        move = self._next(after, note, "promote", release)
        return self._add(
            after,
            move.model_copy(
                update={"earlier": earlier, "withdrawn": withdrawn, "decision": decision, "proofs": proofs}
            ),
        )

    def roll_back(self, after: Current, to: str, note: Note) -> Move:
        """Point the environment to an earlier release; what came later counts as withdrawn.

        Raises RegistryError when `to` is none of the earlier ones, or another process moved the environment.
        """
        old = after.move
        if old is None or to not in old.earlier:
            raise RegistryError(f"{self.environment}: wanted a release that it ran before, got {to}")
        at = len(old.earlier) - 1 - old.earlier[::-1].index(to)
        left = (old.release, *old.earlier[at + 1 :])
        withdrawn = (*old.withdrawn, *(one for one in left if one not in {to, *old.withdrawn}))
        move = self._next(after, note, "rollback", to)
        return self._add(after, move.model_copy(update={"earlier": old.earlier[:at], "withdrawn": withdrawn}))

    def _next(self, after: Current, note: Note, action: Literal["promote", "rollback"], release: str) -> Move:
        return Move(
            environment=self.environment,
            usecase=self.usecase,
            number=after.number + 1,
            action=action,
            release=release,
            before=after.release,
            by=note.by,
            why=note.why,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            preceding=after.digest,
            nonce=uuid.uuid4().hex,
        )

    def _add(self, after: Current, move: Move) -> Move:
        content = f"{move.model_dump_json(indent=2)}\n".encode()
        if self._log.append(after.number, content):
            return move
        now = self.current()
        if now.move is not None and now.release == move.release and move.action == "promote":
            return now.move  # somebody else did the same
        raise RegistryError(
            f"{self.environment}: wanted {self.usecase} to run {after.release or 'no release'}, but "
            f"{now.move.by if now.move else 'another process'} moved it to {now.release} meanwhile; "
            f"look at `mlops release list {self.usecase} --env {self.environment}`, then decide again"
        )

    def _parsed(self, number: int, content: bytes) -> Move:
        where = self._log.address(number)
        try:
            move = Move.model_validate_json(content)
        except ValidationError as error:
            raise CorruptArtifact(f"{where}: wanted a move of an environment, got {error.errors()[0]['msg']}") from None
        if (move.number, move.environment, move.usecase) != (number, self.environment, self.usecase):
            raise CorruptArtifact(f"{where}: has move {move.number} of {move.usecase} in {move.environment}")
        return move
