"""Disables features in the text of a schema, so that comments and the order of its lines stay as they are."""

import re
from collections.abc import Mapping

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from core.errors import SchemaError

_FEATURE = re.compile(r"^feature\s*:?\s*\{")
_NAME = re.compile(r"""\bname\s*:\s*(["'])(?P<name>(?:\\.|(?!\1).)*)\1""")
_STAGE = re.compile(r"\blifecycle_stage\s*:\s*\w+")
_DISABLED = "lifecycle_stage: DISABLED"


def disabled(text: str, reasons: Mapping[str, str]) -> str:
    """Return the schema's text with these features disabled, each with its reason as a comment.

    A disabled feature may be in the data; no model reads it, and no request has it. Raises SchemaError for a feature
    that the schema lacks, and when the text cannot be edited line by line.
    """
    lines, names = text.splitlines(), set(reasons)
    made: list[str] = []
    block: list[str] = []
    depth = 0
    for line in lines:
        code = _code(line)
        starts = depth == 0 and bool(_FEATURE.match(code.strip()))
        depth += code.count("{") - code.count("}")
        if block or starts:
            block.append(line)
            if depth == 0:
                made += _edited(block, reasons, names)
                block = []
        else:
            made.append(line)
    result = "\n".join([*made, *block]) + ("\n" if text.endswith("\n") else "")
    _check(text, result, reasons)
    return result


def _edited(block: list[str], reasons: Mapping[str, str], waiting: set[str]) -> list[str]:
    """Return a feature's lines; the first that gives its name is followed by the new one."""
    at = next((index for index, line in enumerate(block) if _NAME.search(_code(line))), None)
    found = None if at is None else _NAME.search(_code(block[at]))
    if at is None or found is None or found["name"] not in waiting:
        return block
    waiting.discard(found["name"])
    reason = " ".join(reasons[found["name"]].split())
    comment = f"  # {reason}" if reason else ""
    stages = [index for index, line in enumerate(block) if _STAGE.search(_code(line))]
    if stages:
        edited = list(block)
        edited[stages[0]] = _STAGE.sub(_DISABLED, _code(block[stages[0]])).rstrip() + comment
        return edited
    if len(block) == 1:
        end = found.end()
        return [f"{block[0][:end]} {_DISABLED}{block[0][end:]}{comment}"]
    indent = block[at][: len(block[at]) - len(block[at].lstrip())] if at else "  "
    return [*block[: at + 1], f"{indent}{_DISABLED}{comment}", *block[at + 1 :]]


def _code(line: str) -> str:
    """Return a line without its comment; a # inside quotes is none."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote and line[index - 1] != "\\" else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return line[:index]
    return line


def _check(before: str, after: str, reasons: Mapping[str, str]) -> None:
    """Compare the edited text with the schema that was wanted."""
    wanted = text_format.Parse(before, schema_pb2.Schema())
    known = {feature.name for feature in wanted.feature}
    if unknown := sorted(set(reasons) - known):
        raise SchemaError(f"the schema has no feature {', '.join(unknown)}; select features again")
    for feature in wanted.feature:
        if feature.name in reasons:
            feature.lifecycle_stage = schema_pb2.DISABLED
    if text_format.Parse(after, schema_pb2.Schema()) != wanted:
        raise SchemaError(
            "the schema is not laid out with a feature's name on a line of its block; "
            f"write `{_DISABLED}` into the blocks of {', '.join(sorted(reasons))} by hand"
        )
