"""``python -m stepdrain_sandbox.kube`` as a process: the emulator alone, for any client."""

import base64
import json
import os
import select
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WITHIN_S = 30
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n"


def command(*arguments):
    return [sys.executable, "-m", "stepdrain_sandbox.kube", *map(str, arguments)]


def failed(*arguments):
    """What it said on stderr when it did not start, and its exit status."""
    done = subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stderr, done.returncode


@pytest.fixture
def running(tmp_path):
    """A running emulator with one node from a file: (its first line, path of its kubeconfig, process)."""
    manifest, kubeconfig = tmp_path / "node.yaml", tmp_path / "kubeconfig"
    manifest.write_text(NODE)
    arguments = ["--port", 0, "--token", "s3cret", "--kubeconfig-out", kubeconfig, "--load", manifest]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(scratch)}
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A suite that runs in the background of a shell ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    ready, _, _ = select.select([process.stdout], [], [], WITHIN_S)
    assert ready, "It said nothing."
    yield process.stdout.readline(), kubeconfig, process
    process.kill()
    process.communicate()
    assert list(scratch.iterdir()) == [], "Not even a killed emulator leaves its private key behind."


def asked(kubeconfig, path, token=None):
    """GET with the kubeconfig's own server, CA and token."""
    parsed = yaml.safe_load(kubeconfig.read_text())
    cluster = parsed["clusters"][0]["cluster"]
    ca = ssl.create_default_context()
    ca.load_verify_locations(cadata=pem(cluster["certificate-authority-data"]))
    bearer = token or parsed["users"][0]["user"]["token"]
    request = urllib.request.Request(cluster["server"] + path, headers={"Authorization": f"Bearer {bearer}"})
    with urllib.request.urlopen(request, context=ca, timeout=WITHIN_S) as response:
        return json.loads(response.read())


def pem(data):
    return base64.b64decode(data).decode()


def test_it_serves_what_was_loaded_to_whoever_has_the_kubeconfig(running):
    """Port 0 takes a free one; the file says which, and only its owner may read the token."""
    line, kubeconfig, _ = running
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    assert line == f"Kubernetes API at {server}; Ctrl-C ends it.\n"
    assert [node["metadata"]["name"] for node in asked(kubeconfig, "/api/v1/nodes")["items"]] == ["n1"]
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600


def test_another_token_is_refused(running):
    """It is an API with a lock, though an emulated one."""
    _, kubeconfig, _ = running
    with pytest.raises(urllib.error.HTTPError) as caught:
        asked(kubeconfig, "/api/v1/nodes", token="guessed")
    assert caught.value.code == 401
    caught.value.close()


def test_ctrl_c_ends_it_without_a_traceback(running):
    """In a moment, with status 0."""
    *_, process = running
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, error) == (0, "")


def test_a_taken_port_is_one_sentence():
    """The most likely mistake of a second start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error, status = failed("--port", port, "--token", "t")
    assert error == f"Error: Port {port} cannot be used: Address already in use. Choose another --port.\n"
    assert status == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        ("a: [", "is not YAML"),
        ("name: x", "has no kind: it is no manifest"),
        ("just text", "has no kind: it is no manifest"),
        ("kind: Widget\nmetadata: {name: w}", "is a Widget, which this emulator does not keep. It keeps: "),
        ("kind: Pod\nmetadata: {}", "was refused"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(tmp_path, content, sentence):
    """With the file's name, and nothing left running."""
    path = tmp_path / "m.yaml"
    if content is not None:
        path.write_text(content)
    error, status = failed("--port", 0, "--token", "t", "--load", path)
    assert error.startswith(f"Error: {path}")
    assert sentence in error
    assert (error.count("\n"), status) == (1, 2)


def test_a_kubeconfig_that_cannot_be_written_is_one_sentence(tmp_path):
    """Before anybody waits for it."""
    target = tmp_path / "absent" / "kubeconfig"
    error, status = failed("--port", 0, "--token", "t", "--kubeconfig-out", target)
    assert error == f"Error: {target} cannot be written: No such file or directory.\n"
    assert status == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--token", "t"], "--port"),
        (["--port", "0"], "--token"),
        (["--port", "99999", "--token", "t"], "65535"),
    ],
)
def test_missing_and_impossible_options_are_named(arguments, word):
    """Usage errors have status 2 as well."""
    error, status = failed(*arguments)
    assert word in error
    assert status == 2
