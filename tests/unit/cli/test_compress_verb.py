"""`mlops compress` takes variants that no file names, and refuses unknown ones before anything runs."""

import pytest

from core.errors import ConfigError
from mlops.cli.experiments.compress import _with_section
from pipelines.config import find, load


def test_without_a_section_the_usual_variants_are_compared_and_the_gate_is_required() -> None:
    usecase = _with_section(load(find("flight_delay")), "", ())
    section = usecase.configured("compress_model")
    assert [one.name for one in section.variants] == ["dynamic_range", "float16", "int8"]
    assert section.metric == "auc"
    assert "compress_model" in usecase.push_model.requires


def test_variants_of_the_command_line_replace_those_of_the_configuration() -> None:
    usecase = _with_section(load(find("digits")), "pruned+qat", ("qat",))
    assert [one.name for one in usecase.configured("compress_model").variants] == ["pruned+qat", "qat"]


def test_an_unknown_variant_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"'pruned\+int' is no variant; did you mean 'pruned\+int8'"):
        _with_section(load(find("flight_delay")), "pruned+int", ())
