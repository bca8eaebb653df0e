"""A sample of mutants of the decisions, each against its own module's tests: which live?

    .venv/bin/python tests/mutation_sample.py [COUNT] [SEED]

Not part of `make test`: 150 mutants take ten minutes. mutmut and cosmic-ray run a whole suite, or one
command, for each mutant; here each module of rules/ and states/ goes with the test module of its own name.
"""

from __future__ import annotations

import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("functions/stepdrain")
MODULES = {
    "rules/budgets": ["rules/test_budgets.py"],
    "rules/deadline": ["rules/test_deadline.py"],
    "rules/eviction_answers": ["rules/test_eviction_answers.py"],
    "rules/nodes": ["rules/test_nodes.py", "states/test_protection.py"],
    "rules/pods": ["rules/test_pods.py"],
    "rules/stuck_pods": ["rules/test_stuck_pods.py"],
    "rules/tolerations": ["rules/test_tolerations.py"],
    "rules/waves": ["rules/test_waves.py"],
    "states/find_node": ["states/test_find_node.py"],
    "states/protection": ["states/test_protection.py"],
    "states/label": ["steps/test_label.py"],
    "states/cordon": ["steps/test_cordon.py"],
    "states/uncordon": ["steps/test_uncordon.py"],
    "states/routes": ["document/test_progress.py", "states/test_force.py", "steps/test_wait_for_pods.py"],
    "states/waiting": ["states/test_waiting.py", "document/test_progress.py"],
    "states/evict_batch": ["states/test_force.py", "steps/test_evict_batch.py"],
    "states/batch": ["states/test_force.py", "steps/test_evict_batch.py"],
    "states/eviction_requests": ["states/test_force.py", "steps/test_evict_batch.py"],
    "states/wait_for_pods": ["document/test_progress.py", "steps/test_wait_for_pods.py"],
}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """Line, what was changed, and the changed module; each with one change."""
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node):
            changed = copy.deepcopy(tree)
            change(list(ast.walk(changed))[number])
            yield getattr(node, "lineno", 0), what, changed


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        other = SWAPS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} → {other.__name__}", lambda n: n.ops.__setitem__(0, other())
    if isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in SWAPS:
        other = SWAPS[type(node.op)]
        yield f"{type(node.op).__name__} → {other.__name__}", lambda n: setattr(n, "op", other())
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} → {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} → {not node.value}", lambda n: setattr(n, "value", not n.value)
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition negated", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    if isinstance(node, ast.Return) and node.value is not None:
        yield "returns None", lambda n: setattr(n, "value", ast.Constant(None))


def main(count: int, seed: int) -> int:
    found = [
        (module, line, what, ast.unparse(ast.fix_missing_locations(changed)))
        for module in MODULES
        for line, what, changed in mutants(ast.parse((ROOT / PACKAGE / f"{module}.py").read_text()))
    ]
    sample = random.Random(seed).sample(found, min(count, len(found)))
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".*", "out", "build", "__pycache__")
        shutil.copytree(ROOT, copied, ignore=ignored)
        for module, line, what, text in sample:
            file = copied / PACKAGE / f"{module}.py"
            original = file.read_text()
            file.write_text(text)
            tests = [str(copied / "tests" / test) for test in MODULES[module]]
            command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
            try:
                ran = subprocess.run(command, cwd=copied, capture_output=True, timeout=300, check=False)
                died = ran.returncode != 0
            except subprocess.TimeoutExpired:
                died = True
            file.write_text(original)
            if not died:
                alive.append(f"{module}.py:{line}: {what}")
                print(f"alive: {alive[-1]}", flush=True)
    print(f"{len(alive)} of {len(sample)} mutants live (of {len(found)} there are)")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in (*sys.argv[1:], "150", "1")[:2])))
