"""The embedded world: a Kubernetes API and an AWS account in one process. Never shipped to Lambda.

It needs the packages that ``pip install 'stepdrain[sandbox]'`` adds; importing it without them raises
ModuleNotFoundError with that command.
"""

from __future__ import annotations

from importlib.util import find_spec

NEEDS = ("cryptography", "jsonpatch", "moto", "requests", "samtranslator", "starlette", "trustme", "uvicorn")
"""Modules of the extra ``sandbox`` (pyproject.toml) that every part of the world imports."""
INSTALL = "pip install 'stepdrain[sandbox]'"

if not all(find_spec(name) for name in NEEDS):
    raise ModuleNotFoundError(f"The embedded world is not installed: {INSTALL}", name=__name__)
