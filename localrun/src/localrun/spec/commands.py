"""What kind of command a container runs: a Python component of kfp's, with or without its source, or any program."""

from localrun.spec.pipeline import Container

_EXECUTOR = ("-m", "kfp.dsl.executor_main")


def runs_executor(container: Container) -> bool:
    """Whether a command is a Python component, which a warm process can run, and not a program."""
    return container.command[1:] == _EXECUTOR or is_lightweight(container)


def is_lightweight(container: Container) -> bool:
    """Whether the component's source stands in the command itself, as its last part."""
    return (
        len(container.command) >= 4
        and "ephemeral_component.py" in container.command[-2]
        and " ".join(_EXECUTOR) in container.command[-2]
    )


def function_name(container: Container) -> str:
    """Name of the Python function that a command executes; empty for a plain command."""
    if "--function_to_execute" not in container.args[:-1]:
        return ""
    return container.args[container.args.index("--function_to_execute") + 1]
