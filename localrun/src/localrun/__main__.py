"""`localrun pipeline.yaml -p name=value`: run a compiled pipeline, nothing else needed."""

import sys


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; Ctrl-C ends with 130 and one line, however early it comes."""
    try:
        from localrun.commands.main import main as command  # noqa: PLC0415 - a Ctrl-C meanwhile must be caught

        return command(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
