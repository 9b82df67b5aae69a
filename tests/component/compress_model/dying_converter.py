"""In the place of the conversion: what it does is in the name of the file that it is asked to write."""

import os
import signal
import sys
import time

from components.compress_model.convert import Request


def convert(request: Request) -> bytes:
    wanted = request.output.name
    if "abort" in wanted:
        print("loc(callsite): error: 'tfl.conv_2d' op failed to verify", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    if "hang" in wanted:
        time.sleep(3600)
    if "refuse" in wanted:
        raise RuntimeError("Some ops are not supported: Select TF ops: BiasAdd")
    return str(os.getpid()).encode()
