"""A program in the place of the converter: what it does is in the name of the file that it is asked to write."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)["output"]
        if "abort" in wanted:
            print("loc(callsite): error: 'tfl.conv_2d' op failed to verify", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGABRT)
        if "hang" in wanted:
            time.sleep(3600)
        if "refuse" in wanted:
            print(
                json.dumps({"error": "ConverterError: Some ops are not supported: Select TF ops: BiasAdd"}), flush=True
            )
            continue
        Path(wanted).write_text(str(os.getpid()))
        print(json.dumps({"seconds": 0.5}), flush=True)


if __name__ == "__main__":
    main()
