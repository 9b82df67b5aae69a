"""A converter that dies, hangs or refuses is an error that names the operation, and the next conversion works."""

from pathlib import Path

import pytest

from components.compress_model.convert import Request
from components.compress_model.converter import Converter, ConverterDied
from core.errors import ConversionError
from tests.component.compress_model.dying_converter import convert


def _request(path: Path) -> Request:
    return Request(path.parent, "int8", path)


def test_a_dead_converter_is_named_with_its_signal_and_operation_and_replaced(tmp_path: Path) -> None:
    with Converter(300, convert) as converter:
        converter.convert(_request(tmp_path / "first"))
        with pytest.raises(ConverterDied, match=r"int8: .*died of SIGABRT at tfl\.conv_2d; .*build_model") as raised:
            converter.convert(_request(tmp_path / "abort"))
        assert raised.value.signal == "SIGABRT"
        converter.convert(_request(tmp_path / "second"))
    assert (tmp_path / "first").read_text() != (tmp_path / "second").read_text(), "the dead process was replaced"


def test_what_was_asked_for_ahead_is_made_also_after_a_death(tmp_path: Path) -> None:
    asked = [_request(tmp_path / name) for name in ("first", "abort", "second", "refuse", "third")]
    with Converter(300, convert) as converter:
        for one in asked:
            converter.submit(one)
        converter.convert(asked[-1])
        assert (tmp_path / "second").exists(), "requests are taken in their order"
        converter.convert(asked[0])
        converter.convert(asked[2])
        with pytest.raises(ConverterDied):
            converter.convert(asked[1])
        with pytest.raises(ConversionError, match="no equivalent of BiasAdd"):
            converter.convert(asked[3])


def test_an_operation_without_equivalent_is_named(tmp_path: Path) -> None:
    with (
        Converter(300, convert) as converter,
        pytest.raises(ConversionError, match="no equivalent of BiasAdd; write it with other operations"),
    ):
        converter.convert(_request(tmp_path / "refuse"))


def test_a_converter_that_hangs_is_ended(tmp_path: Path) -> None:
    with Converter(1, convert) as converter, pytest.raises(ConverterDied, match="SIGKILL after 1 s"):
        converter.convert(_request(tmp_path / "hang"))
