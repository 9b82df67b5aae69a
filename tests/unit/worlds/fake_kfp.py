"""A deployment of Kubeflow Pipelines in this process: its API over HTTP, and ML Metadata's own store over gRPC."""

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from ml_metadata.proto import metadata_store_service_pb2 as service

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T03:05:05Z"
PLACES = {"parent": "parent_dag_id", "index": "iteration_index", "count": "iteration_count"}
"""How the driver records where an execution stands."""


class FakeKfp:
    """What the API was asked, and what it answers; `fail` names calls that are answered with an error."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.recurring: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail: set[tuple[str, str]] = set()
        self.on_look: list[Any] = []
        """Called one by one, at each look at a run, before it is answered."""

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Answer one call: a method named as its verb and resource, such as `post_runs`."""
        resource, _, identity = path.removeprefix("/apis/v2beta1/").partition("/")
        self.calls.append((method, resource))
        if (method, resource) in self.fail:
            return 500, {"error": "the database is away"}
        if identity.endswith(":terminate"):
            return self.terminate(identity.removesuffix(":terminate"))
        call = getattr(self, f"{method.lower()}_{resource}", None)
        return (404, {"error": f"{method} {path}"}) if call is None else call(identity, query, body)

    def get_healthz(self, *_: Any) -> tuple[int, Any]:
        return 200, {"multi_user": False}

    def get_experiments(self, *_: Any) -> tuple[int, Any]:
        return 200, {}

    def post_experiments(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        return 200, {"experiment_id": "e-1", "display_name": body["display_name"]}

    def post_runs(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        run = {**body, "run_id": str(uuid.uuid4()), "state": "PENDING", "created_at": NOW}
        self.runs[run["run_id"]] = run
        return 200, run

    def terminate(self, identity: str) -> tuple[int, Any]:
        self.runs[identity].update(state="CANCELED", finished_at=LATER)
        return 200, {}

    def get_runs(self, identity: str, query: dict[str, list[str]], __: Any) -> tuple[int, Any]:
        if not identity:
            (wanted,) = json.loads(query["filter"][0])["predicates"]
            names = (wanted["operation"], wanted["key"])
            found = [run for run in self.runs.values() if run["display_name"] == wanted["string_value"]]
            return (200, {"runs": found}) if names == ("EQUALS", "name") else (400, {"error": f"{names}"})
        if self.on_look:
            self.on_look.pop(0)(self.runs[identity])
        return 200, self.runs[identity]

    def post_recurringruns(self, _: str, __: Any, body: Any) -> tuple[int, Any]:
        status = "ENABLED" if body["mode"] == "ENABLE" else "DISABLED"
        made = {**body, "recurring_run_id": str(uuid.uuid4()), "status": status, "created_at": NOW}
        self.recurring[made["recurring_run_id"]] = made
        return 200, made

    def get_recurringruns(self, _: str, query: dict[str, list[str]], __: Any) -> tuple[int, Any]:
        """One a page, so that a client which reads the first page only is found out."""
        known, at = list(self.recurring.values()), int(query.get("page_token", ["0"])[0] or 0)
        return 200, {"recurringRuns": known[at : at + 1], "next_page_token": str(at + 1) if at + 1 < len(known) else ""}

    def delete_recurringruns(self, identity: str, *_: Any) -> tuple[int, Any]:
        return (200, {}) if self.recurring.pop(identity, None) else (404, {"error": "no such recurring run"})


@contextmanager
def served(kfp: FakeKfp) -> Iterator[str]:
    """Serve the API on a free port; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            address = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            status, answer = kfp.answer(self.command, address.path, parse_qs(address.query), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class FakeMetadata:
    """ML Metadata in memory, written as Kubeflow Pipelines' driver and launcher write it."""

    def __init__(self) -> None:
        config = mlmd.ConnectionConfig()
        config.fake_database.SetInParent()
        self.store = metadata_store.MetadataStore(config)
        self._run_type = self.store.put_context_type(mlmd.ContextType(name="system.PipelineRun"))
        self._container = self.store.put_execution_type(mlmd.ExecutionType(name="system.ContainerExecution"))
        self._dag = self.store.put_execution_type(mlmd.ExecutionType(name="system.DAGExecution"))
        self._artifact = self.store.put_artifact_type(mlmd.ArtifactType(name="system.Artifact"))
        self._contexts: dict[str, int] = {}

    def record(
        self,
        run_id: str,
        task: str,
        state: str,
        outputs: dict[str, str] | None = None,
        *,
        pod: str = "",
        dag: bool = False,
        **numbers: int,
    ) -> int:
        """Record an execution of a task, in groups and loops by `parent`, `index` and `count`; return its id."""
        if run_id not in self._contexts:
            self._contexts[run_id] = self.store.put_contexts([mlmd.Context(type_id=self._run_type, name=run_id)])[0]
        execution = mlmd.Execution(
            type_id=self._dag if dag else self._container, last_known_state=mlmd.Execution.State.Value(state)
        )
        execution.custom_properties["task_name"].string_value = task
        for name, number in numbers.items():
            execution.custom_properties[PLACES[name]].int_value = number
        if pod:
            execution.custom_properties["pod_name"].string_value = pod
        made = []
        for name, uri in (outputs or {}).items():
            event = mlmd.Event(
                type=mlmd.Event.Type.OUTPUT, path=mlmd.Event.Path(steps=[mlmd.Event.Path.Step(key=name)])
            )
            made.append((mlmd.Artifact(type_id=self._artifact, uri=uri), event))
        identity, _, _ = self.store.put_execution(
            execution, made, [mlmd.Context(id=self._contexts[run_id], type_id=self._run_type, name=run_id)]
        )
        return int(identity)

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve it on a free port; yields `host:port`."""
        server = grpc.server(futures.ThreadPoolExecutor(2))
        store = self.store

        class Forward(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                name = details.method.rpartition("/")[2]
                request, response = getattr(service, f"{name}Request"), getattr(service, f"{name}Response")

                def call(asked: Any, _: Any) -> Any:
                    answer = response()
                    store._call(name, asked, answer)
                    return answer

                return grpc.unary_unary_rpc_method_handler(call, request.FromString, response.SerializeToString)

        server.add_generic_rpc_handlers((Forward(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0)
