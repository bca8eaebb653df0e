"""Kubeconfigs as kubectl reads them: each kind with kubectl's answer beside ours.

Both ask the same stub for a node. Where kubectl is installed, it must have sent the same headers to the same
place, or have refused as we do; elsewhere ours is held to the table alone.
"""

import base64
import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner
from stepdrain.errors import DrainError

from stepdrain_cli.__main__ import cli
from stepdrain_cli.clusters.cluster import access
from tests.cli.api_stub import serving

TOKEN = "c2VjcmV0LXRva2Vu"
BEARER = {"Authorization": [f"Bearer {TOKEN}"]}
V1 = "client.authentication.k8s.io/v1"


@pytest.fixture
def api():
    """The cluster."""
    with serving(tls=True) as running:
        yield running


@pytest.fixture
def proxy():
    """Somebody who is asked for other hosts."""
    with serving(tls=False) as running:
        yield running


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No kubeconfig, proxy or service account of whoever runs the tests."""
    for name in [
        variable
        for variable in os.environ
        if variable.lower().endswith("_proxy") or variable.startswith("KUBE")
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def config(server, user=None, cluster=None, name="here"):
    """A kubeconfig of one context; ``server`` is a URL, or the stub."""
    if not isinstance(server, str):
        cluster = {"certificate-authority-data": server.ca, **(cluster or {})}
        server = server.url
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
    }


def write(path, document):
    """The document as YAML; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return str(path)


def plugin(folder, body):
    """An executable exec plugin, and the entry that names it by a relative path."""
    path = folder / "plugin"
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": V1, "command": "./plugin", "interactiveMode": "Never"}}


def credential(version=V1, **status):
    """What a plugin prints."""
    document = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"print({json.dumps(json.dumps(document))})"


def token_file(text):
    """A user whose token stands in a file beside the kubeconfig."""

    def user(folder):
        (folder / "token").write_text(text)
        return {"tokenFile": "token", "token": "another"}

    return user


SAID = {
    # What the user's entry says, and the headers that kubectl sends for it.
    "nothing": ({}, {}),
    "a token": ({"token": TOKEN}, BEARER),
    "a tokenFile wins over a token": (token_file(TOKEN), BEARER),
    "a tokenFile that ends in a newline": (token_file(f"{TOKEN}\n"), BEARER),
    "a name and a password": (
        {"username": "u", "password": "p"},
        {"Authorization": [f"Basic {base64.b64encode(b'u:p').decode()}"]},
    ),
    "as": ({"token": TOKEN, "as": "jane"}, {**BEARER, "Impersonate-User": ["jane"]}),
    "as with a group": (
        {"token": TOKEN, "as": "jane", "as-groups": ["ops"], "as-uid": "7"},
        {**BEARER, "Impersonate-User": ["jane"], "Impersonate-Group": ["ops"], "Impersonate-Uid": ["7"]},
    ),
    "an exec plugin by a relative path": (lambda folder: plugin(folder, credential(token=TOKEN)), BEARER),
    "an exec plugin with variables": (
        lambda folder: {
            "exec": {
                **plugin(
                    folder,
                    f"import os\n{credential(token='TOKEN')[:-1]}.replace('TOKEN', os.environ['T']))",
                )["exec"],
                "env": [{"name": "T", "value": TOKEN}],
            }
        },
        BEARER,
    ),
    "a token beside an exec plugin": (
        lambda folder: {**plugin(folder, "raise SystemExit(1)"), "token": TOKEN},
        BEARER,
    ),
}

REFUSED = {
    # What the user's entry says, what of ours refuses it, and whether kubectl does, too.
    "an exec plugin that fails": (
        lambda folder: plugin(folder, "raise SystemExit(3)"),
        "exit status 3",
        True,
    ),
    "an exec plugin that prints nonsense": (
        lambda folder: plugin(folder, "print('no')"),
        "something else",
        True,
    ),
    "an exec plugin without credentials": (
        lambda folder: plugin(folder, credential()),
        "neither a token",
        True,
    ),
    "an exec plugin of another version": (
        lambda folder: plugin(folder, credential("client.authentication.k8s.io/v1beta1", token=TOKEN)),
        "answered with the apiVersion",
        True,
    ),
    "an exec plugin that is not there": (
        {
            "exec": {
                "apiVersion": V1,
                "command": "./nowhere",
                "interactiveMode": "Never",
                "installHint": "Get it.",
            }
        },
        "No such file or directory. Get it.",
        True,
    ),
    "an exec entry of an old version": (
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1alpha1",
                "command": "x",
                "interactiveMode": "Never",
            }
        },
        "v1alpha1",
        True,
    ),
    "an auth-provider": ({"auth-provider": {"name": "gcp"}}, "auth-provider", True),
    "a tokenFile that is not there": ({"tokenFile": "nowhere"}, "tokenFile", True),
    "groups without a user": ({"token": TOKEN, "as-groups": ["ops"]}, "without a user", True),
    # These kubectl can do, and our client cannot: with fewer headers it would have other rights.
    "several groups": ({"token": TOKEN, "as": "j", "as-groups": ["a", "b"]}, "several groups", False),
    "extra fields": ({"token": TOKEN, "as": "j", "as-user-extra": {"a": ["b"]}}, "extra fields", False),
}


def kubectl(file, environ=None):
    """kubectl's exit status, having asked for the node; None where it is not installed."""
    if shutil.which("kubectl") is None:
        return None
    chosen = ["--kubeconfig", file] if file else []
    command = ["kubectl", *chosen, "get", "--raw", "/api/v1/nodes/n1"]
    return subprocess.run(
        command, capture_output=True, env={**os.environ, **(environ or {})}, check=False
    ).returncode


def made(said, folder):
    """The user's entry; some need files beside the kubeconfig."""
    return said(folder) if callable(said) else said


@pytest.mark.parametrize("kind", SAID)
def test_who_asks_is_who_kubectl_would_be(kind, api, tmp_path):
    """The same headers, whatever the user's entry says."""
    said, headers = SAID[kind]
    file = write(tmp_path / "config", config(api, made(said, tmp_path)))
    assert access(file, None).kube().node("n1")["metadata"]["uid"] == "u"
    (asked,) = api.requests
    assert asked == ("/api/v1/nodes/n1", headers)
    if kubectl(file) == 0:
        assert api.requests[-1] == asked
    else:
        # Without an entry it asks a person for a name.
        assert kind == "nothing" or shutil.which("kubectl") is None


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_one_sentence_and_never_an_anonymous_request(kind, api, tmp_path):
    """A cluster that lets anonymous callers read would answer."""
    said, sentence, by_kubectl = REFUSED[kind]
    file = write(tmp_path / "config", config(api, made(said, tmp_path)))
    result = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", file])
    assert result.exit_code in (2, 5)
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert api.requests == []
    status = kubectl(file)
    if status is not None:
        assert (status != 0) == by_kubectl


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"token": f"{TOKEN}\nX"}, "has blanks in it"),
        ({"client-certificate-data": TOKEN[:-1] + "!", "client-key-data": "eA=="}, "is not base64"),
        ({"tokenFile": "spoilt"}, "has blanks in it"),
    ],
    ids=str,
)
def test_no_token_is_ever_printed(entry, sentence, api, tmp_path):
    """Today a tokenFile that ended in a newline showed it in a traceback."""
    (tmp_path / "spoilt").write_text(f"{TOKEN} {TOKEN}\n{TOKEN}")
    file = write(tmp_path / "config", config(api, entry))
    result = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", file])
    assert TOKEN not in f"{result.stdout}{result.stderr}{result.exception!r}"
    assert sentence in result.stderr


def test_a_broken_file_shows_no_line_of_itself(tmp_path):
    """The parser quotes the line that it cannot read."""
    file = tmp_path / "config"
    file.write_text(f"users:\n- token: {TOKEN}\n  :- [{TOKEN}")
    result = CliRunner().invoke(cli, ["plan", "n1", "--kubeconfig", str(file)])
    assert result.exit_code == 2
    assert f"The kubeconfig {file} is not YAML (line " in result.stderr
    assert TOKEN not in result.stderr


def test_an_access_shows_no_credential(api, tmp_path):
    """In a log line or a traceback."""
    found = access(write(tmp_path / "config", config(api, {"token": TOKEN})), None)
    assert TOKEN not in repr(found)


def test_no_credential_goes_over_plain_http(proxy, tmp_path):
    """kubectl sends none either: anybody on the way could read it."""
    file = write(tmp_path / "config", config(proxy.url, {"token": TOKEN}))
    access(file, None).kube().node("n1")
    assert kubectl(file) in (0, None)
    assert {str(headers) for _, headers in proxy.requests} == {"{}"}


def test_a_file_name_with_colons_is_one_file(api, tmp_path):
    """--kubeconfig names one file."""
    file = write(tmp_path / "a:b:c", config(api, {"token": TOKEN}))
    assert access(file, None).kube().node("n1")
    assert kubectl(file) in (0, None)


def test_several_files_in_kubeconfig_are_one(api, tmp_path, monkeypatch):
    """What stands in an earlier file counts; a file that is not there is passed over."""
    first, second = config("http://127.0.0.1:1", name="a"), config(api, {"token": TOKEN}, name="b")
    del first["clusters"], first["users"]
    first |= {"current-context": "b", "users": [{"name": "b", "user": {"token": "first"}}]}
    files = [write(tmp_path / "one", first), str(tmp_path / "none"), write(tmp_path / "two", second)]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(files))
    assert access(None, None).kube().node("n1")
    assert kubectl(None) in (0, None)
    assert {headers["Authorization"][0] for _, headers in api.requests} == {"Bearer first"}


def test_the_default_file_is_in_the_home(api, tmp_path, monkeypatch):
    """As everybody's is."""
    write(tmp_path / "home" / ".kube" / "config", config(api, {"token": TOKEN}))
    assert access(None, None).kube().node("n1")
    assert kubectl(None) in (0, None)


def test_without_any_file_a_pod_asks_as_its_service_account(api, tmp_path, monkeypatch):
    """In-cluster."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setattr("stepdrain_cli.clusters.kubeconfig.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    found = access(None, None)
    assert (found.context.name, found.context.cluster["server"]) == ("in-cluster", "https://10.0.0.1:443")
    assert found.context.user == {"tokenFile": str(tmp_path / "token")}


def test_without_any_file_and_outside_a_pod_it_is_one_sentence():
    """With what to type."""
    result = CliRunner().invoke(cli, ["plan", "n1"])
    assert result.exit_code == 2
    assert "There is no kubeconfig" in result.stderr
    assert "--kubeconfig FILE" in result.stderr


def test_a_proxy_url_is_asked_for_the_cluster(proxy, tmp_path):
    """The cluster cannot be reached but through it."""
    server = "http://cluster.invalid"
    file = write(tmp_path / "config", config(server, {"token": TOKEN}, {"proxy-url": proxy.url}))
    assert access(file, None).kube().node("n1")
    assert kubectl(file) in (0, None)
    assert {path for path, _ in proxy.requests if "version" not in path} == {f"{server}/api/v1/nodes/n1"}


@pytest.mark.parametrize("bypass", ["", "cluster.invalid", ".invalid", "*"])
def test_the_environments_proxy_is_asked_unless_no_proxy_says_otherwise(proxy, bypass, tmp_path, monkeypatch):
    """NO_PROXY is forgotten by the client's own configuration."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", bypass)
    file = write(tmp_path / "config", config("http://cluster.invalid"))
    assert (access(file, None).configuration().proxy is None) == bool(bypass)


BROKEN = {
    "a context that is not there": ({"current-context": "other"}, "has no context other; it has here."),
    "no current context": ({"current-context": ""}, "has no current context: give one by --context NAME."),
    "a cluster that is not there": ({"clusters": []}, "names the cluster here, which it has not"),
    "a user that is not there": ({"users": []}, "names the user here, which it has not"),
    "another kind": ({"kind": "Pod"}, "its kind is Pod"),
    "contexts that are no list": ({"contexts": "x"}, "its contexts are no list"),
    "a server that is no URL": (
        {"clusters": [{"name": "here", "cluster": {"server": "nowhere"}}]},
        "the cluster's server is no URL",
    ),
    "a proxy of another kind": (
        {
            "clusters": [
                {"name": "here", "cluster": {"server": "http://x", "proxy-url": "socks5://u:geheim@p:1"}}
            ]
        },
        "has the proxy-url socks5://p:1; stepdrain takes http and https",
    ),
    "two ways to trust": (
        {
            "clusters": [
                {
                    "name": "here",
                    "cluster": {
                        "server": "https://x",
                        "insecure-skip-tls-verify": True,
                        "certificate-authority-data": "eA==",
                    },
                }
            ]
        },
        "it may do only one",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_kubeconfig_of_each_kind_is_one_sentence(kind, tmp_path):
    """With the name of what is missing."""
    changes, sentence = BROKEN[kind]
    file = write(tmp_path / "config", {**config("http://127.0.0.1:1"), **changes})
    with pytest.raises(DrainError) as error:
        access(file, None).kube()
    assert sentence in str(error.value)


def test_an_insecure_cluster_warns_once(api, tmp_path, capsys):
    """Not at every request."""
    file = write(tmp_path / "config", config("https://127.0.0.1:1", {}, {"insecure-skip-tls-verify": True}))
    for _ in range(3):
        assert access(file, None).configuration().verify_ssl is False
    assert capsys.readouterr().err.count("Warning:") == 1


def test_a_token_that_is_refused_is_asked_for_again(api, tmp_path):
    """A plugin's token that the cluster no longer takes: once more, and only once."""
    count = tmp_path / "count"
    body = f"open({str(count)!r}, 'a').write('x')\n{credential(token=TOKEN)}"
    kube = access(write(tmp_path / "config", config(api, plugin(tmp_path, body))), None).kube()
    kube.node("n1")
    kube.node("n1")
    assert count.read_text() == "x"
    kube._renew_token()
    assert count.read_text() == "xx"
