"""A YAML language server spoken to as an editor does: JSON messages over its standard input and output."""

import json
import subprocess
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

#: Where `make editor` puts the server.
FOLDER = Path(__file__).parents[2] / ".editor"
#: How long one answer may take; the first one reads the schema.
PATIENCE = 30.0
_SETTINGS = {
    "yaml": {
        "validate": True,
        "completion": True,
        "hover": True,
        "schemaStore": {"enable": False},
        "yamlVersion": "1.2",
    }
}


def program(folder: Path = FOLDER) -> Path:
    """The server's program under a folder that npm installed into."""
    return folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class Server:
    """One running server. Use it as a context manager; it ends with the block."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._folder = folder
        self._workspace = workspace
        self._answers: Queue[dict[str, Any]] = Queue()
        self._next = 0
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> "Server":
        self._server = subprocess.Popen(
            ["node", str(program(self._folder)), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        capabilities = {
            "workspace": {"configuration": True},
            "textDocument": {"completion": {"completionItem": {"snippetSupport": True}}, "hover": {}},
        }
        root = self._workspace.as_uri()
        self.ask("initialize", {"processId": None, "rootUri": root, "capabilities": capabilities})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": _SETTINGS})
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("shutdown", None)
        self._tell("exit", None)
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.wait(PATIENCE)
        self._listener.join(PATIENCE)
        self._server.stdout.close()

    def open(self, file: Path) -> list[dict[str, Any]]:
        """Open a file; what is underlined in it."""
        text = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text(encoding="utf-8")}
        self._tell("textDocument/didOpen", {"textDocument": text})
        while file.as_uri() not in self._diagnostics:
            self._take()
        return self._diagnostics[file.as_uri()]

    def complete(self, file: Path, line: int, column: int) -> list[dict[str, Any]]:
        """What is offered at a place (from 0)."""
        where = {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": column}}
        found = self.ask("textDocument/completion", where)
        return list(found["items"] if isinstance(found, dict) else found or [])

    def hover(self, file: Path, line: int, column: int) -> str:
        """What is explained at a place (from 0)."""
        where = {"textDocument": {"uri": file.as_uri()}, "position": {"line": line, "character": column}}
        found = self.ask("textDocument/hover", where)
        return str(found["contents"]["value"]) if found else ""

    def ask(self, method: str, params: Any) -> Any:
        """Ask for something and wait for the answer."""
        self._next += 1
        number = self._next
        self._send({"id": number, "method": method, "params": params})
        while True:
            answer = self._take()
            if answer.get("id") == number and "method" not in answer:
                return answer.get("result")

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def _take(self) -> dict[str, Any]:
        """The next message; what the server itself asks or tells is dealt with on the way."""
        try:
            message = self._answers.get(timeout=PATIENCE)
        except Empty:
            raise TimeoutError("the language server does not answer") from None
        if message.get("method") == "textDocument/publishDiagnostics":
            self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
        elif message.get("method") == "workspace/configuration":
            asked = [_SETTINGS.get(item.get("section", ""), {}) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": asked})
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": None})
        return message

    def _listen(self) -> None:
        assert self._server.stdout
        while header := self._server.stdout.readline():
            size = 0
            while header.strip():
                name, _, value = header.partition(b":")
                size = int(value) if name.lower() == b"content-length" else size
                header = self._server.stdout.readline()
            self._answers.put(json.loads(self._server.stdout.read(size)))
