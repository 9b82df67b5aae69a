"""Stands in for TensorFlow Serving's binary: takes its flags, follows its configuration file, and answers as it does.

It keeps what it was given: `arguments.json`, and `configs/<n>` for each text of the configuration that it has seen.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from text_proto import read_models

RECORD = Path(os.environ["STAND_IN_RECORD"])
LOAD_SECONDS = 0.3


class Models:
    """What is loaded; a version is there some time after it was listed, and the highest answers."""

    def __init__(self) -> None:
        self.loaded: dict[str, set[int]] = {}

    def follow(self, path: Path) -> None:
        seen: list[str] = []
        while True:
            text = path.read_text()
            if text not in seen[-1:]:
                (RECORD / "configs" / str(len(seen))).write_text(text)
                seen.append(text)
                self.load(
                    {
                        name: (Path(model["base_path"]), model["versions"], model["labels"])
                        for name, model in read_models(text).items()
                    }
                )
            time.sleep(0.05)

    def load(self, listed: dict[str, tuple[Path, list[int], dict[str, int]]]) -> None:
        for name, (folder, versions, labels) in listed.items():
            if not set(labels.values()) <= self.loaded.get(name, set()):
                # The binary ends at such a configuration, which one that is started after a death may find, before the
                # labels are taken back. `sys.exit` would end this thread alone.
                print("Request to assign label to a version which is not currently available", file=sys.stderr)
                os._exit(1)
            assert all((folder / str(version) / "saved_model.pb").is_file() for version in versions)
            time.sleep(LOAD_SECONDS)
            self.loaded[name] = set(versions)


def answer(models: Models, path: str, body: bytes) -> tuple[int, object]:
    found = re.fullmatch(r"/v1/models/(\w+)(:predict|/metadata)?", path)
    versions = models.loaded.get(found[1], set()) if found else set()
    if not found or not versions:
        return 404, {"error": "Servable not found"}
    if found[2] == ":predict":
        (RECORD / "last_request.json").write_bytes(body)
        return 200, {"predictions": [[float(max(versions))] for _ in json.loads(body)["instances"]]}
    if found[2] == "/metadata":
        return 200, {"metadata": {"signature_def": {"signature_def": {}}}}
    return 200, {"model_version_status": [{"version": str(version), "state": "AVAILABLE"} for version in versions]}


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for flag in ("rest_api_port", "port", "model_config_file_poll_wait_seconds"):
        parser.add_argument(f"--{flag}", type=int)
    for flag in ("model_config_file", "monitoring_config_file", "model_name", "model_base_path"):
        parser.add_argument(f"--{flag}", type=Path)
    flags = parser.parse_args()
    (RECORD / "configs").mkdir(parents=True, exist_ok=True)
    (RECORD / "arguments.json").write_text(json.dumps(sys.argv[1:]))
    (RECORD / "pid").write_text(str(os.getpid()))
    models = Models()
    if flags.model_config_file:
        threading.Thread(target=models.follow, args=(flags.model_config_file,), daemon=True).start()
    else:
        models.loaded[str(flags.model_name)] = {int(path.name) for path in flags.model_base_path.iterdir()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = answer(models, self.path, asked)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None: ...

    ThreadingHTTPServer(("127.0.0.1", flags.rest_api_port), Handler).serve_forever()


if __name__ == "__main__":
    main()
