"""The paths of a model: reads what follows /v1/models/, TensorFlow Serving's, and /v2/models/, Open Inference's."""

import re
from typing import NamedTuple

from serving.errors import bad_request

ROOT = "/v1/models"
OPEN_ROOT = "/v2/models"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
VERSION = r"[1-9][0-9]{0,18}"
VERBS = frozenset({"predict", "classify", "regress", "explain"})
"""`explain` is KServe's; the others are TensorFlow Serving's."""
READS = frozenset({"GET", "HEAD"})
_PATH = re.compile(
    rf"(?P<model>{NAME})(?:/versions/(?P<version>{VERSION})|/labels/(?P<label>{NAME}))?(?P<rest>/metadata|/openapi\.json|:[a-z]+)?",
    re.ASCII,
)
_OPEN_PATH = re.compile(rf"(?P<model>{NAME})(?:/versions/(?P<version>{VERSION}))?(?P<rest>/ready|/infer)?", re.ASCII)


class ParsedPath(NamedTuple):
    """The parts of a request's path; at most one of version and label."""

    model: str
    version: int | None = None
    label: str | None = None
    verb: str = ""

    def servable(self) -> str:
        """Name the model and the version that a request asks for, as TensorFlow Serving's errors do."""
        return f"Specific({self.model}, {self.version})" if self.version else f"Latest({self.model})"


def parse_request_path(path: str, method: str) -> ParsedPath:
    """Read the path of a request about a model; RequestError (400) as the functions below."""
    if path.startswith(f"{OPEN_ROOT}/"):
        return parse_open_path(path.removeprefix(f"{OPEN_ROOT}/"), method)
    return parse_path(path.removeprefix(f"{ROOT}/"), method)


def parse_path(rest: str, method: str) -> ParsedPath:
    """Read what follows /v1/models/; RequestError (400) for anything that is not exactly a known form.

    No part of it is used as a path of files: names are only looked up among the loaded models.
    """
    found = _PATH.fullmatch(rest)
    if found is not None:
        suffix = found["rest"] or ""
        verb = suffix.lstrip("/:")
        fits = not suffix.startswith(":") if method in READS else suffix.startswith(":") and verb in VERBS
        if fits:
            version = int(found["version"]) if found["version"] else None
            return ParsedPath(found["model"], version, found["label"], verb)
    raise bad_request(f"Malformed request: {method} {ROOT}/{ascii(rest[:100])[1:-1]}")


def parse_open_path(rest: str, method: str) -> ParsedPath:
    """Read what follows /v2/models/; RequestError (400) for anything that is not exactly a known form.

    The verb is `infer`, `ready`, or empty for the description of the model.
    """
    found = _OPEN_PATH.fullmatch(rest)
    if found is not None:
        verb = (found["rest"] or "").removeprefix("/")
        if (verb == "infer") == (method == "POST"):
            return ParsedPath(found["model"], int(found["version"]) if found["version"] else None, None, verb)
    raise bad_request(f"Malformed request: {method} {OPEN_ROOT}/{ascii(rest[:100])[1:-1]}")
