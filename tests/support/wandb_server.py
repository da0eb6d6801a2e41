"""A W&B server on this machine that takes what the real client sends and remembers it."""

import gzip
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wandb

KEY = "k" * 40


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def body(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(content) if self.headers.get("Content-Encoding") else content

    def answer(self, content):
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.answer({})

    def do_PUT(self):
        self.server.uploads[self.path.removeprefix("/up/")] = self.body()
        self.answer({})

    def do_POST(self):
        content = self.body()
        if self.path == "/graphql":
            asked = json.loads(content)
            name = re.search(r"(?:query|mutation)\s*(\w*)", asked["query"])[1]
            variables = asked.get("variables") or {}
            self.server.asked.append((name, variables))
            self.answer({"data": self.server.reply(name, variables)})
        else:
            if self.path.endswith("/file_stream"):
                self.server.stream(self.path.split("/")[-2], json.loads(content))
            self.answer({})

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """`asked` holds every GraphQL operation and its variables, `uploads` files by path.

    `lines` holds what each run logged, by its id and the name of a stream, as the real server keeps
    it: a line sent for a place that has one takes its place. A run is resumed from there.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.asked, self.uploads, self.lines = [], {}, {}

    def handle_error(self, *_):
        """A client that closes its connection is no error."""

    def stream(self, run, content):
        for name, part in content.get("files", {}).items():
            lines = self.lines.setdefault(run, {}).setdefault(name, [])
            start = part["offset"]
            lines += ["null"] * (start - len(lines))  # where the client leaves a gap
            lines[start : start + len(part["content"])] = part["content"]

    def history(self, run):
        """What a run logged: a dictionary of values by key for each line."""
        return [json.loads(line) for line in self.lines[run]["wandb-history.jsonl"]]

    def resumed(self, run):
        """What the client asks of a run that it may go on with; None where it is new."""
        if run not in self.lines:
            return None
        begun = next(v for v in self.variables("UpsertBucket") if v["name"] == run)
        bucket = {"id": "b", "name": run, "displayName": begun["displayName"], "logLineCount": 0}
        bucket |= {"config": begun["config"], "wandbConfig": json.dumps({"t": {}}), "tags": []}
        bucket |= {"summaryMetrics": self.lines[run]["wandb-summary.json"][-1], "notes": ""}
        for kind in ("history", "events"):
            lines = self.lines[run].get(f"wandb-{kind}.jsonl", [])
            bucket |= {f"{kind}LineCount": len(lines), f"{kind}Tail": json.dumps(lines[-1:])}
        return bucket

    def variables(self, name):
        """The variables of every call of an operation, in order."""
        return [variables for asked, variables in self.asked if asked == name]

    def reply(self, name, v):
        upload = {"uploadHeaders": [], "uploadMultipartUrls": None}
        if name == "UpsertBucket":
            project = {"id": "p", "name": "annealed", "entity": {"id": "e", "name": "tester"}}
            bucket = {"id": "b", "name": v["name"], "displayName": "", "project": project}
            return {"upsertBucket": {"bucket": {**bucket, "historyLineCount": 0}, "inserted": True}}
        if name == "RunResumeStatus":
            model = {"id": "p", "name": "annealed", "entity": {"id": "e", "name": "tester"}}
            return {"model": {**model, "bucket": self.resumed(v["name"])}}
        if name == "CreateRunFiles":
            files = [{"name": f, "uploadUrl": f"{self.address}/up/{f}"} for f in v["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if name == "CreateArtifact":
            sequence = {"id": "s", "latestArtifact": None}
            artifact = {"id": "a", "state": "PENDING", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": artifact}}
        if name in ("CreateArtifactManifest", "UpdateArtifactManifest"):
            file = {**upload, "id": "f", "name": "m", "displayName": "m"}
            file["uploadUrl"] = f"{self.address}/up/manifest"
            manifest = {"artifactManifest": {"id": "m", "file": file}}
            return {name[0].lower() + name[1:]: manifest}
        if name == "CreateArtifactFiles":
            nodes = []
            for file in v["input"]["artifactFiles"]:
                named = {"id": "f", "name": file["name"], "displayName": file["name"]}
                place = f"{self.address}/up/artifact/{file['name']}"
                node = {**upload, **named, "uploadUrl": place, "storagePath": file["name"]}
                nodes.append({"node": {**node, "artifact": {"id": "a"}}})
            return {"createArtifactFiles": {"files": {"edges": nodes}}}
        if name in ("Viewer", "GetDefaultEntity", "DefaultEntity"):
            return {"viewer": {"id": "v", "entity": "tester", "username": "tester", "flags": "{}"}}
        if name == "GetProjects":
            node = {"id": "cA==", "name": "annealed", "entityName": v["entity"], "user": None}
            node |= {"createdAt": "2026-01-01T00:00:00", "isBenchmark": False}
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"pageInfo": page, "edges": [{"node": node}]}}
        if name == "ProjectInternalId" and v["projectName"] == "annealed":
            return {"project": {"id": "p", "internalId": "1"}}
        if name in ("UpsertView2", "upsertView"):
            project = {"id": "p", "name": v["projectName"], "entityName": v["entityName"]}
            view = {"id": f"id-{v['displayName']}", "project": project, "description": ""}
            view |= {"name": v["name"], "displayName": v["displayName"], "spec": v["spec"]}
            return {"upsertView": {"view": view, "inserted": True}}
        if name == "CommitArtifact":
            return {"commitArtifact": {"artifact": {"id": "a", "digest": "d"}}}
        return {}


@contextmanager
def served(home, patch):
    """A server that W&B's client speaks to until the block ends, its files below `home`.

    `patch` is a MonkeyPatch, which sets the variables that lead the client there.
    """
    with Server() as server:
        patch.setenv("WANDB_BASE_URL", server.address)
        patch.setenv("WANDB_API_KEY", KEY)
        for name in ("DATA", "CACHE", "CONFIG"):
            patch.setenv(f"WANDB_{name}_DIR", str(home))
        wandb.teardown()  # W&B keeps the server that it once had
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
