"""The examples run as they are, and end well."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.usefixtures("hypercell_with_image")


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_order_totals():
    assert "tool calls: 36" in run("order_totals.py")


def test_codeact_order_totals():
    _, *lines = run("codeact_order_totals.py")
    rows = {line[:26].strip(): [int(number) for number in line[26:].split()[:3]] for line in lines}
    assert [rows[name][0] for name in ("one call a turn", "calls side by side", "one block of code")] == [
        37,
        6,
        2,
    ]
    read = {name: row[1] for name, row in rows.items()}
    assert read["one block of code"] < read["calls side by side"] / 2
    assert read["one block of code"] < read["one call a turn"] / 20


def test_codeact_approvals():
    lines = run("codeact_approvals.py")
    assert [line.rpartition(" ")[2] for line in lines if line.startswith("line 4")] == [
        "allow",
        "edit",
        "deny",
    ] * 2


def test_codeact_data_analysis(tmp_path):
    lines = run("codeact_data_analysis.py", str(tmp_path))
    assert lines[3] == "value: (31.0, 'kitchen', 17)"
    assert (tmp_path / "plot.svg").read_text().count("<polyline") == 3
    assert (tmp_path / "summary.csv").read_text().splitlines()[1] == "attic,15.0,21.0,15"


def test_codeact_with_a_model(monkeypatch):
    class Endpoint(http.server.BaseHTTPRequestHandler):
        """A model that calls one tool and then says what came back."""

        asked: ClassVar[list] = []

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.asked.append((self.path, self.headers["Authorization"], body))
            name = body["tools"][0]["function"]["name"]
            arguments = {"code": "len(list_users())"} if name == "execute_code" else {}
            call = {
                "id": "1",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            if body["messages"][-1]["role"] == "tool":
                message = {"role": "assistant", "content": f"It is {body['messages'][-1]['content'][:30]}"}
            answer = {
                "choices": [{"message": message}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 5},
            }
            data = json.dumps(answer).encode()
            self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1/")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setenv("OPENAI_MODEL", "model")
        plain, said, _, block, *_ = run("codeact_with_a_model.py")
        server.shutdown()
    assert plain.startswith("plain tools: 2 turns, 200 tokens read, 10 written, ")
    assert said.startswith('It is [{"id"')
    assert block.startswith("one block of code: 2 turns, 200 tokens read, 10 written, ")
    assert Endpoint.asked[-1][2]["messages"][-1]["content"].endswith("8")
    assert {(path, key, body["model"]) for path, key, body in Endpoint.asked} == {
        ("/v1/chat/completions", "Bearer key", "model")
    }


def test_codeact_with_a_model_says_what_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "codeact_with_a_model.py")],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("set OPENAI_MODEL")
