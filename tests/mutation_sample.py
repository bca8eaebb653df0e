"""A sample of mutants of the decisions, each against its own module's tests: which live?

    make mutants ARGS="[--count 150] [--seed 1] [--all] [MODULE ...]"

Not part of `make test`: 150 mutants take minutes. mutmut and cosmic-ray run a whole suite, or one command,
for each mutant; here each module goes with the tests that TESTS names, and each mutant is a fork of a
process that has imported the libraries already. A mutant that no test can kill, since it behaves as the
original does, stands in equivalent_mutants.toml with the reason. The exit code is 1 if more than 10 % of the
sample live, or the list names a mutant that does not exist.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.abc
import importlib.util
import multiprocessing
import os
import random
import resource
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "functions/stepdrain"
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")
OWN = ("stepdrain", "statemachine", "tests", "bench")
"""Beginnings of the names of packages that each fork imports anew: they may hold the mutant."""
MOST_ALIVE = 0.1
CPU_S, WALL_S = 60, 900
"""Seconds of processor time, and of the clock, after which a mutant's tests count as failed."""
TESTS = {
    "rules/budgets": ["rules/test_budgets.py"],
    "rules/deadline": ["rules/test_deadline.py", "document/test_timing.py", "states/test_force.py"],
    "rules/eviction_answers": ["rules/test_eviction_answers.py"],
    "rules/nodes": ["rules/test_nodes.py", "states/test_protection.py"],
    "rules/pods": ["rules/test_pods.py"],
    "rules/stuck_pods": ["rules/test_stuck_pods.py"],
    "rules/tolerations": ["rules/test_tolerations.py"],
    "rules/waves": ["rules/test_waves.py"],
    "states/find_node": ["states/test_find_node.py"],
    "states/protection": ["states/test_protection.py"],
    "states/hold_instance": ["states/test_hold_instance.py"],
    "states/label": ["states/test_label_and_cordon.py"],
    "states/cordon": ["states/test_label_and_cordon.py"],
    "states/uncordon": ["states/test_uncordon.py"],
    "states/routes": ["states/test_routes.py"],
    "states/waiting": ["states/test_waiting.py"],
    "states/evict_batch": [
        "states/test_evict_batch_rules.py",
        "states/test_force.py",
        "steps/test_evict_batch.py",
    ],
    "states/batch": ["states/test_batch.py", "states/test_force.py", "steps/test_evict_batch.py"],
    "states/eviction_requests": ["states/test_eviction_requests.py", "states/test_force.py"],
    "states/wait_for_pods": ["states/test_wait_for_pods.py", "document/test_progress.py"],
}
"""Each module of decisions, and its own tests: the quick ones first."""
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A module with one change; ``before`` and ``after`` are its line, as ast.unparse writes it.

    ``scope`` is the function or class around it, the innermost; "" for the module.
    """

    module: str
    scope: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line}: {self.before}  →  {self.after}"


def mutants(module: str) -> Iterator[Mutant]:
    """Each mutant of a module of TESTS, always in the same order."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    original, scopes = ast.unparse(tree), dict(_scopes(tree))
    for node in ast.walk(tree):
        for field, value in _changes(node):
            kept = getattr(node, field)
            setattr(node, field, value)
            source = ast.unparse(tree)
            setattr(node, field, kept)
            lines = zip(original.splitlines(), source.splitlines(), strict=True)
            # ``return None`` that returns None is no mutant.
            for before, after in [pair for pair in lines if pair[0] != pair[1]][:1]:
                yield Mutant(module, scopes[node], node.lineno, before.strip(), after.strip(), source)


def _scopes(node: ast.AST, scope: str = "") -> Iterator[tuple[ast.AST, str]]:
    yield node, scope
    inner = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else scope
    for child in ast.iter_child_nodes(node):
        yield from _scopes(child, inner)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Fields of the node, and what a mutant has in each."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "ops", [SWAPS[type(node.ops[0])](), *node.ops[1:]]
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPS:
        yield "op", SWAPS[type(node.op)]()
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "value", node.value + 1
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "value", not node.value
    if isinstance(node, ast.If | ast.IfExp):
        yield "test", ast.UnaryOp(ast.Not(), node.test)
    if isinstance(node, ast.Return) and node.value is not None:
        yield "value", ast.Constant(None)


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the mutant in its module's stead."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"stepdrain.{mutant.module.replace('/', '.')}"
        self._source = mutant.source

    def find_spec(self, fullname, path, target=None):  # type: ignore[no-untyped-def]
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def get_source(self, fullname: str) -> str:
        return self._source


def _test(module: str, mutant: Mutant | None) -> None:
    """In a fork: run the module's tests; the exit code is pytest's."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    if mutant is not None:
        sys.meta_path.insert(0, _Mutated(mutant))
    tests = [str(ROOT / "tests" / test) for test in TESTS[module]]
    # The libraries are imported already.
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *quiet, f"--rootdir={ROOT}", *tests]))


def passes(module: str, mutant: Mutant | None = None) -> bool:
    """Whether the module's tests pass, with the mutant if there is one."""
    run = multiprocessing.get_context("fork").Process(target=_test, args=(module, mutant))
    run.start()
    run.join(WALL_S)
    if run.is_alive():
        run.kill()
        run.join()
    return run.exitcode == 0


def _preload() -> None:
    """Import the libraries once for all forks, and forget our own modules."""
    sys.path[:0] = [str(ROOT / "functions"), str(ROOT)]
    # Where Python writes no bytecode, each fork would compile the tests for a second.
    sys.dont_write_bytecode = False
    for name in ("hypothesis.strategies", "_hypothesis_pytestplugin", "stepdrain_sandbox.world"):
        importlib.import_module(name)
    for name in [name for name in sys.modules if name.startswith(OWN)]:
        del sys.modules[name]
    gc.freeze()


def equivalent() -> list[dict[str, str]]:
    """What equivalent_mutants.toml lists: its header says how."""
    return list(tomllib.loads(EQUIVALENT.read_text())["mutant"])


def _is(mutant: Mutant, entry: dict[str, str]) -> bool:
    """Whether the entry means the mutant."""
    place = entry["module"] in ("*", mutant.module) and entry["scope"] in ("*", mutant.scope)
    return place and (entry["before"], entry["after"]) == (mutant.before, mutant.after)


def main(modules: Sequence[str], count: int | None, seed: int) -> int:
    """Draw, try, and print; ``count`` None: all there are."""
    found = [mutant for module in modules for mutant in mutants(module)]
    sample = found if count is None else random.Random(seed).sample(found, min(count, len(found)))
    listed = equivalent()
    unknown = [
        entry
        for entry in listed
        if (entry["module"] in modules or len(modules) == len(TESTS))
        and not any(_is(mutant, entry) for mutant in found)
    ]
    for entry in unknown:
        print(f"{EQUIVALENT.name} names a mutant that does not exist: {entry}")
    _preload()
    for module in dict.fromkeys(mutant.module for mutant in sample):
        if not passes(module):
            print(f"The tests of {module} fail without a mutant, too: {' '.join(TESTS[module])}")
            return 2
    alive = same = 0
    for mutant in sample:
        if any(_is(mutant, entry) for entry in listed):
            same += 1
            print(f"equivalent: {mutant}", flush=True)
        elif passes(mutant.module, mutant):
            alive += 1
            print(f"alive: {mutant}", flush=True)
    killed = len(sample) - alive - same
    print(f"Of {len(sample)} mutants (of {len(found)}): {killed} killed, {alive} alive, {same} equivalent.")
    return int(bool(unknown) or alive > MOST_ALIVE * len(sample))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as states/routes; all by default")
    parser.add_argument("--count", type=int, default=150, help="how many mutants to draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="try every mutant")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    if strange := [module for module in given.modules if module not in TESTS]:
        sys.exit(f"No decisions: {', '.join(strange)}. There are: {', '.join(TESTS)}.")
    sys.exit(main(given.modules or list(TESTS), None if given.all else given.count, given.seed))
