"""The report: one file, nothing loaded, nothing secret, and small whatever the history."""

import json
import re
import time

import pytest
from click.testing import CliRunner

from stepdrain_cli import examples
from stepdrain_cli.__main__ import cli
from stepdrain_cli.pictures import report
from stepdrain_recorded import history
from stepdrain_sandbox.kube.admission import SUFFIX
from tests.cli.histories import DOCUMENT, History, begun


def failed():
    cause = json.dumps({"errorMessage": "no <script>alert(1)</script> pods"})
    return begun().enter("EvictBatch").attempt("DrainRefused", "no", 1).failed("DrainRefused", cause)


def render(made):
    return report.render(history.checked(made.events, "test"))


def test_a_failed_drain_names_its_state_error_and_the_redrive_command():
    """It is opened by somebody who was woken up."""
    page = render(failed())
    assert "It stopped at EvictBatch: DrainRefused" in page
    assert "stepdrain redrive node-1.internal --region eu-west-1" in page
    assert "aws stepfunctions redrive-execution --region eu-west-1 --execution-arn arn:aws:states" in page


def test_what_the_cluster_says_is_text_and_never_markup():
    """A pod's owner chooses what stands in a message."""
    page = render(failed())
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(1)" in page


def test_nothing_is_loaded_and_no_token_is_shown():
    """It is opened without a network, and sent around."""
    page = render(failed())
    assert re.findall(r'(?:src|href|@import|url\()\s*=?\s*["\']?(?!#)[a-z/]', page) == []
    assert DOCUMENT["lifecycle"]["token"] not in page


def longest():
    """25,000 events: two days of rounds that name 20 pods each."""
    pods = "; ".join(
        f"default/db-{n}: disruption budget db needs 21 healthy pods and has 21" for n in range(20)
    )
    made = begun()
    while len(made.events) < 24_990:
        made.enter("EvictBatch")
        for _ in range(4):
            made.attempt("EvictionStillBlocked", f"25 pods cannot be evicted now: {pods}; and 5 more").after(
                140
            )
        made.leave("EvictBatch").passed("Heartbeat")
    return made


def test_the_longest_history_is_one_small_page_within_seconds():
    """25,000 events are all that Step Functions keeps: less than 5 s, less than 10 MB."""
    made = longest()
    assert len(made.events) > 24_900
    began = time.process_time()
    page = render(made)
    assert time.process_time() - began < 5
    assert len(page.encode()) < 1_000_000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory."),
        ("", "is empty;"),
        ("<html>", "is not JSON"),
        ('{"executions": []}', "has no list of events"),
        ('{"events": []}', "has no events;"),
        ('{"events": [{"a": 1}]}', "is not an execution history: its events lack an id, a type"),
        (json.dumps({"events": begun().events[3:]}), "begins with TaskStarted, not with ExecutionStarted"),
        (
            json.dumps({"events": History().passed("Bake").events}),
            "of another state machine: its states are Bake.",
        ),
    ],
)
def test_a_file_that_is_no_history_is_one_sentence(tmp_path, content, sentence):
    """With what it is, and how to get one."""
    path = tmp_path / "history.json"
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(cli, ["report", "--from-file", str(path), "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_a_line_that_is_no_audit_event_is_named(tmp_path):
    """Audit logs are long."""
    (tmp_path / "h.json").write_text(json.dumps({"events": begun().events}))
    (tmp_path / "a.jsonl").write_text("\n{}\n")
    arguments = ["--from-file", f"{tmp_path}/h.json", "--audit", f"{tmp_path}/a.jsonl"]
    result = CliRunner().invoke(cli, ["report", *arguments, "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 2
    assert "a.jsonl, line 2 is not an event of a Kubernetes audit log." in result.stderr


def test_the_audit_trail_keeps_the_order_of_the_guarantee():
    """Label, cordon, evictions, also where all have the same time."""
    page = examples.reports()["blocked-then-forced.html"]
    assert (
        page.index("label: out of external")
        < page.index("cordon: unschedulable")
        < page.index("<td>eviction</td>")
    )


def test_the_examples_are_what_the_drains_give():
    """docs/examples is committed. Numbers are left out: on a busy machine a watch can end one look later."""
    for name, page in examples.reports().items():
        committed = (examples.FOLDER / name).read_text()
        assert without_numbers(page) == without_numbers(committed), f"{name} is stale: run make examples"


def without_numbers(page):
    return re.sub(r"[0-9][0-9a-f.]*", "#", re.sub(rf"-[{SUFFIX}]{{5}}\b", "-#", page))


def test_a_drain_that_lost_pods_is_not_green():
    """It succeeded, and somebody paid for it."""

    def ended(completed, **progress):
        record = {"number": 0, "heartbeatAt": "2026-01-01T00:00:00Z", "evicted": 1, **progress}
        made = begun().passed("EvictBatch").enter("CompleteAction").attempt()
        made.leave("CompleteAction", progress=record, completed=completed)
        return render(
            made.add(
                "ExecutionSucceeded", executionSucceededEventDetails={"output": json.dumps(made.document)}
            )
        )

    good = ended({"result": "CONTINUE", "outcome": "drained", "reason": ""})
    assert '<span class="pill SUCCEEDED">SUCCEEDED</span>' in good
    for completed in (
        {"result": "CONTINUE", "outcome": "released", "reason": "The deadline is over."},
        {
            "result": "CONTINUE",
            "outcome": "drained",
            "reason": "1 pods were deleted past budgets.",
        },
        {"result": "NONE", "outcome": "never joined", "reason": ""},
    ):
        assert '<span class="pill lossy">SUCCEEDED with losses</span>' in ended(completed)


def test_a_run_from_a_laptop_has_no_links_into_an_account():
    """There is none."""
    made = failed()
    made.events[0]["executionStartedEventDetails"]["input"] = json.dumps({**DOCUMENT, "reason": "local"})
    for event in made.events:
        for details in ("stateEnteredEventDetails", "stateExitedEventDetails"):
            for key in ("input", "output"):
                if key in event.get(details, {}):
                    event[details][key] = json.dumps({**json.loads(event[details][key]), "reason": "local"})
    page = render(made)
    assert "stepdrain run node-1.internal" in page
    assert "stepdrain undo node-1.internal --local" in page
    assert "redrive" not in page.split("<header>")[1].replace("redrive-line", "")
    assert "console.aws" not in page


def test_a_report_in_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    """Folders were made without a word, for a slip, too."""
    (tmp_path / "history.json").write_text(json.dumps({"events": begun().events}))
    typed = ["report", "--from-file", str(tmp_path / "history.json"), "--out"]
    folder = tmp_path / "a b"
    result = CliRunner().invoke(cli, [*typed, str(folder / "r.html")])
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: {folder / 'r.html'} cannot be written: there is no folder {folder}; "
        f"`mkdir -p '{folder}'` makes it.\n",
    )
    assert not folder.exists()
    written = CliRunner().invoke(cli, [*typed, str(tmp_path / "r.html")])
    assert written.stdout == f"{tmp_path / 'r.html'}\n"


def test_the_default_file_is_not_committed_by_accident():
    """It is written where the command is called, mostly a checkout."""
    from pathlib import Path

    assert "/report.html" in (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
