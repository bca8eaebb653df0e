"""One check as the table of ``stepdrain verify`` has it, and the three forms of that table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stepdrain.rules.reasons import counted
from stepdrain.verification.findings import Result

ORDER = [Result.MISSING, Result.DEGRADED, Result.UNKNOWN, Result.SKIPPED, Result.OK]
BY = "verify"
"""Who makes the checks that no function makes: the command itself."""


@dataclass(frozen=True)
class Check:
    """``what`` was checked ``by`` whom, the result, what it said, and the command that fixes it."""

    what: str
    by: str
    result: Result
    said: str = ""
    command: str = ""

    def to_document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def well(checks: Sequence[Check]) -> bool:
    """Whether there is nothing to fix: what could not be checked is not well; what is only slower, or
    was left out because nothing asked for it, is."""
    return not any(check.result in (Result.MISSING, Result.UNKNOWN) for check in checks)


def wrong(checks: Sequence[Check]) -> list[Check]:
    """The checks that are not OK, worst first."""
    return [check for result in ORDER[:-1] for check in checks if check.result is result]


def rows(checks: Sequence[Check]) -> list[list[str]]:
    """A row for each check that is not OK, worst first; then one for each function with its count."""
    listed = [[str(check.result), check.by, check.what, check.said] for check in wrong(checks)]
    for by in dict.fromkeys(check.by for check in checks):
        own = [check for check in checks if check.by == by]
        fine = [check for check in own if check.result is Result.OK]
        if fine:
            listed.append(["ok", by, f"{len(fine)} of {counted(len(own), 'check')}", ""])
    return listed


def commands(checks: Sequence[Check]) -> list[str]:
    """What to type, each command once, in the order of the table."""
    return list(dict.fromkeys(check.command for check in wrong(checks) if check.command))


def markdown(checks: Sequence[Check], heading: str) -> str:
    """The table for a change ticket."""
    lines = [f"### {heading}", "", "| result | by | what | said |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows(checks)]
    if typed := commands(checks):
        lines += ["", "```console", *(f"$ {command}" for command in typed), "```"]
    return "\n".join(lines)


def verdict(checks: Sequence[Check]) -> str:
    """The last line."""
    counts = {result: sum(check.result is result for check in checks) for result in ORDER}
    if well(checks):
        worse, skipped = counts[Result.DEGRADED], counts[Result.SKIPPED]
        said = [f"Nothing to fix: {counted(len(checks), 'check')}"]
        said += [f"{worse} of them could be better, and drains work without"] if worse else []
        said += [f"{skipped} skipped"] if skipped else []
        return f"{', '.join(said)}."
    fine = f"{counts[Result.OK]} of {counted(len(checks), 'check')} fine"
    return f"{counts[Result.MISSING]} to fix, {counts[Result.UNKNOWN]} unknown; {fine}."
