"""Prints template.yaml with its loops expanded, for reviewers: `make expand`.

The output can be deployed in place of the original.
"""

from __future__ import annotations

import os
import sys

import yaml

from stepdrain_sandbox.aws.deploy import ROOT, parsed
from stepdrain_sandbox.aws.language_extensions import TemplateRefused, expand


def main(arguments: list[str]) -> int:
    """Print the template for ``Name=Value`` arguments; returns 1, with a sentence, if that is impossible."""
    template = parsed((ROOT / "template.yaml").read_text())
    given = dict(argument.partition("=")[::2] for argument in arguments)
    unknown = sorted(set(given) - set(template["Parameters"]))
    if unknown:
        print(f"The template has no parameter {', '.join(unknown)}.", file=sys.stderr)
        return 1
    try:
        expanded = expand(template, given)
    except TemplateRefused as refused:
        print(refused, file=sys.stderr)
        return 1
    try:
        print(yaml.dump(expanded, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True), flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough; else the interpreter would complain at its end.
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _data: object) -> bool:
        # CloudFormation accepts anchors, but a reader would have to look them up.
        return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
