"""import-linter (`make check`) judges each package that ships, and knows each folder that does not."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
SHIPPED = {package.split(".")[0] for package in PROJECT["setuptools"]["packages"]}
MADE = {"out", "build", "dist"}


def contract(name):
    """The contract of that name."""
    (found,) = [c for c in PROJECT["importlinter"]["contracts"] if c["name"] == name]
    return found


def test_what_stays_behind_is_known_to_the_contract():
    """An import of a new folder would pass every test in a checkout, and fail in Lambda or in the wheel."""
    importable = {path.parent.name for path in ROOT.glob("*/*.py")} - SHIPPED - MADE
    stays = contract("What ships imports nothing that stays behind")
    assert set(stays["forbidden_modules"]) == importable
    assert set(stays["source_modules"]) == SHIPPED


def test_each_package_that_ships_is_looked_at():
    """A package that import-linter does not analyse may import what it likes."""
    assert set(PROJECT["importlinter"]["root_packages"]) >= SHIPPED
