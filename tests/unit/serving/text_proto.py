"""Reads the part of protobuf's text format that TensorFlow Serving's model configuration uses; a typo is an error."""

import re
from typing import Any

_TOKEN = re.compile(r'\s*(?:(?P<word>[a-z_]+)|(?P<number>-?\d+)|"(?P<text>(?:[^"\\\n]|\\[0-7]{3})*)"|(?P<mark>[{}:]))')
MODEL = {"name": str, "base_path": str, "model_platform": str, "model_version_policy": dict, "version_labels": dict}
"""The fields of ModelConfig in model_server_config.proto that we write."""


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        assert match, f"not text format: {text[at : at + 40]!r}"
        assert match.lastgroup
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _message(tokens: list[tuple[str, str]]) -> dict[str, list[Any]]:
    """Read fields up to the closing brace or the end; every field is a list, as any may repeat."""
    fields: dict[str, list[Any]] = {}
    while tokens and tokens[0] != ("mark", "}"):
        kind, name = tokens.pop(0)
        assert kind == "word", name
        if tokens[0] == ("mark", ":"):
            tokens.pop(0)
            kind, value = tokens.pop(0)
            assert kind in ("number", "text"), (name, value)
            fields.setdefault(name, []).append(int(value) if kind == "number" else _text(value))
        else:
            assert tokens.pop(0) == ("mark", "{"), name
            fields.setdefault(name, []).append(_message(tokens))
            assert tokens.pop(0) == ("mark", "}"), name
    return fields


def _text(value: str) -> str:
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), value.encode()).decode()


def read_models(text: str) -> dict[str, dict[str, Any]]:
    """Read a ModelServerConfig: name -> base_path, versions in the order written, labels."""
    tokens = _tokens(text)
    [listed] = _message(tokens).pop("model_config_list")
    assert not tokens
    models = {}
    for config in listed.pop("config", []):
        assert config.keys() <= MODEL.keys()
        assert config["model_platform"] == ["tensorflow"]
        [policy] = config["model_version_policy"]
        [specific] = policy.pop("specific")
        assert not policy
        labels = {entry["key"][0]: entry["value"][0] for entry in config.get("version_labels", [])}
        models[config["name"][0]] = {
            "base_path": config["base_path"][0],
            "versions": specific["versions"],
            "labels": labels,
        }
    assert not listed
    return models
