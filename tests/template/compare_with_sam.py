"""Compares the written-out template with what the SAM CLI makes of its loops; for .venv-sam's interpreter.

python tests/template/compare_with_sam.py out/expanded.yaml GroupNames=blue,green …
"""

import sys
from pathlib import Path

from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
SECTIONS = ("Conditions", "Resources", "Outputs")


def main() -> int:
    """0 if both have the same names and kinds; else 1, and what differs."""
    ours = yaml_parse(Path(sys.argv[1]).read_text())
    given = dict(argument.partition("=")[::2] for argument in sys.argv[2:])
    original = yaml_parse((ROOT / "template.yaml").read_text())
    theirs = expand_language_extensions(original, given, enabled=True).expanded_template
    different = [
        f"{section}: {name}"
        for section in SECTIONS
        for name in sorted({*ours[section], *theirs[section]})
        if (_kind(ours[section].get(name)), name in ours[section])
        != (_kind(theirs[section].get(name)), name in theirs[section])
    ]
    print("\n".join(different) or f"The SAM CLI makes the same {len(ours['Resources'])} resources.")
    return bool(different)


def _kind(one: object) -> object:
    return one.get("Type") if isinstance(one, dict) else None


if __name__ == "__main__":
    sys.exit(main())
