"""A converter that dies, hangs or refuses is an error that names the operation, and the next conversion works."""

from pathlib import Path

import pytest

from components.compress_model.converter import Converter, ConverterDied, Request
from core.errors import ConversionError

PROGRAM = "tests.component.compress_model.dying_converter"


def _request(path: Path) -> Request:
    return Request(path.parent, "int8", path)


def test_a_dead_converter_is_named_with_its_signal_and_operation_and_replaced(tmp_path: Path) -> None:
    with Converter(300, PROGRAM) as converter:
        assert converter.convert(_request(tmp_path / "first")) == 0.5
        with pytest.raises(ConverterDied, match=r"int8: .*died of SIGABRT at tfl\.conv_2d; .*build_model") as raised:
            converter.convert(_request(tmp_path / "abort"))
        assert raised.value.signal == "SIGABRT"
        assert converter.convert(_request(tmp_path / "second")) == 0.5
    assert (tmp_path / "first").read_text() != (tmp_path / "second").read_text(), "the dead process was replaced"


def test_an_operation_without_equivalent_is_named(tmp_path: Path) -> None:
    with (
        Converter(300, PROGRAM) as converter,
        pytest.raises(ConversionError, match="no equivalent of BiasAdd; write it with other operations"),
    ):
        converter.convert(_request(tmp_path / "refuse"))


def test_a_converter_that_hangs_is_ended(tmp_path: Path) -> None:
    with Converter(1, PROGRAM) as converter, pytest.raises(ConverterDied, match="SIGKILL after 1 s"):
        converter.convert(_request(tmp_path / "hang"))
