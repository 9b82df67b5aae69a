"""What Terraform hands on is what `mlops` reads: the deployment's fields, the handler's options, the schedules."""

import re

import click
import pytest
import yaml

from mlops.cli.main import cli
from tests.infra.rendered import ROOT
from tests.infra.terraform.parsed import INFRA, tree


def test_the_output_has_the_fields_of_a_deployment() -> None:
    deployment = pytest.importorskip("mlops.worlds.vertex.deployment", reason="no world on Vertex AI here")
    fields = deployment.Deployment.model_fields
    [written] = [block.body["deployment"] for block in tree() if block.kind == "locals" and "deployment" in block.body]
    assert set(written) <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= set(written)
    [output] = [block for block in tree() if block.kind == "output" and block.name == "mlops"]
    assert output.body["value"] == "${local.deployment}"
    [trigger] = [block for block in tree() if block.kind == "module" and block.name == "trigger"]
    assert deployment.VARIABLE in trigger.body["environment"]


def test_the_handlers_arguments_are_what_the_command_takes() -> None:
    text = (INFRA / "modules" / "trigger" / "service.tf").read_text(encoding="utf-8")
    options = re.findall(r'"(--[a-z]+(?:=[^"]*)?)"', text)
    assert {option.partition("=")[0] for option in options} >= {"--at", "--host", "--port", "--audience", "--account"}
    group = cli.get_command(click.Context(cli), "trigger")
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), "serve")
    assert command is not None
    command.make_context("serve", ["flight_delay", *options])
    assert re.search(r"container_port = 8080", text) and "--port=8080" in options


def test_the_roots_schedules_are_where_the_root_reads_them() -> None:
    values = (INFRA / "dev.tfvars").read_text(encoding="utf-8")
    [usecase] = re.findall(r"(?m)^  (\w+) = \"\d+\"$", values)
    config = yaml.safe_load((ROOT / "usecases" / usecase / "config.yaml").read_text(encoding="utf-8"))
    assert all(len(schedule["cron"].split()) == 5 for schedule in config["schedules"].values())
