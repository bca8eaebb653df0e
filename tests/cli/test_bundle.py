"""``stepdrain bundle``: everything a maintainer needs, and nothing that must stay private."""

import errno
import json
import os
import re
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from stepdrain_cli.__main__ import cli
from stepdrain_cli.bundles.redaction import Redaction, summary
from stepdrain_sandbox.examples.drains import drains
from tests.cli.accounts import use_account_of

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRETS = {
    "a cluster token": "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20v",
    "a web token": "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl",
    "an access key": KEY,
    "a secret key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "a bearer header": "Bearer abcdef0123456789",
    "a signature": "0123456789abcdef0123456789abcdef",
    "a password in a text": "hunter2hunter2",
    "a password in an address": "s3cr3tpass",
    "an account number": "123456789012",
}
TEXTS = {
    "a signature": "https://sts/?X-Amz-Signature={}&Action=x",
    "a password in a text": "connect failed: password={} host=db",
    "a password in an address": "dial https://user:{}@db.internal/",
    "an account number": "arn:aws:iam::{}:role/x",
}


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_in_a_sentence_is_removed_and_named(what):
    """A webhook's refusal may quote whatever it likes."""
    secret, redaction = SECRETS[what], Redaction()
    text = redaction.text(TEXTS.get(what, "it said {} and stopped").format(secret))
    assert secret not in text
    assert "[removed: " in text or "account-1" in text


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "LifecycleActionToken",
        "aws_secret_access_key",
        "Authorization",
        "apiKey",
        "X-Amz-Security-Token",
    ],
)
def test_a_field_that_says_that_it_is_secret_loses_its_value(key):
    """Its value may look like any word."""
    redaction = Redaction()
    assert redaction.document({"a": [{key: "plain"}]}) == {"a": [{key: f"[removed: field {key}]"}]}
    assert list(summary(redaction.removed)) == [f"1 × field {key}"]


def test_secrets_in_a_json_text_are_removed():
    """Step Functions' events hold inputs and outputs as texts."""
    text = json.dumps({"drain": {"token": "plain"}, "cause": f"key {KEY}"})
    redacted = Redaction().document({"input": text})["input"]
    assert json.loads(redacted) == {
        "drain": {"token": "[removed: field token]"},
        "cause": "key [removed: access key]",
    }


def test_two_accounts_stay_apart():
    """Which of two accounts refused may be the whole point; which numbers they have is not."""
    assert (
        Redaction().text("111111111111 asks 222222222222 asks 111111111111")
        == "account-1 asks account-2 asks account-1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "i-0123456789abcdef0",
        "uid 6f1d2c0a-1111-4222-8333-123456789012",
        "default/web-5d78c9869d-c17d2: disruption budget web needs 1 healthy pod and has 1",
        "2026-01-01T00:00:08Z",
        "1767225600",
        "tokens are asked for again",
    ],
)
def test_what_a_drain_is_understood_by_stays(text):
    """A bundle without names and times would be thrown away."""
    assert Redaction().text(text) == text


@pytest.fixture(scope="module")
def world():
    """One account for the module: starting it is what these tests cost."""
    with drains() as world:
        yield world


@pytest.fixture
def bundle(world, monkeypatch):
    """Runs ``stepdrain bundle`` for the drain that failed in this module's world."""
    use_account_of(world, monkeypatch)
    failed = next(drain["name"] for drain in world.executions() if drain["status"] == "FAILED")
    return lambda file: CliRunner().invoke(cli, ["bundle", failed, "--sandbox", "--out", str(file)])


def test_a_bundle_holds_the_drain_and_no_secret(bundle, tmp_path):
    """The history reads as `report --from-file` takes it, and says what was removed."""
    result = bundle(tmp_path / "b.zip")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'b.zip'}\n"), result.output
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(parts) == ["README.txt", "doctor.json", "history.json", "status.json", "versions.json"]
    assert json.loads(parts["history.json"])["events"][0]["type"] == "ExecutionStarted"
    assert "123456789012" not in "".join(parts.values())
    removed = result.stderr.splitlines()[-1]
    numbers = re.search(
        r"^Removed: .*?(\d+) × account number.* Look through it before you attach it\.$", removed
    )
    assert numbers, removed
    assert f"{numbers[1]} × account number\n" in parts["README.txt"]
    (tmp_path / "history.json").write_text(parts["history.json"])
    report = ["report", "--from-file", str(tmp_path / "history.json"), "--out", str(tmp_path / "r.html")]
    assert CliRunner().invoke(cli, report).exit_code == 0


def test_a_bundle_that_cannot_be_written_leaves_no_half_of_one_and_takes_no_device_away(
    bundle, tmp_path, monkeypatch
):
    """Where the disk was full it deleted what --out named, /dev/full itself for one."""
    pipe, file = tmp_path / "pipe", tmp_path / "b.zip"
    os.mkfifo(pipe)

    def full(path, _content):
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    for out in (pipe, file):
        result = bundle(out)
        assert (result.exit_code, f"{out} cannot be written: No space left on device." in result.output) == (
            2,
            True,
        )
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_folder_that_cannot_be_written_is_one_sentence(bundle, tmp_path):
    """And nothing is left behind."""
    result = bundle(tmp_path / "no" / "b.zip")
    assert result.exit_code == 2
    folder = tmp_path / "no"
    said = f"{folder / 'b.zip'} cannot be written: there is no folder {folder}; `mkdir -p {folder}` makes it."
    assert said in result.output
    assert list(tmp_path.iterdir()) == []
