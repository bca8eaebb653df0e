"""CloudFormation's intrinsic functions and conditions, as far as template.yaml uses them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
NO_VALUE = object()


class Resolver:
    """Resolves the values of a template.

    ``parameters`` has parameters and pseudo parameters by name; ``attribute(logical_id, name)`` returns the
    value of Ref (name "Ref") or GetAtt of a resource.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any],
        conditions: Mapping[str, Any],
        attribute: Callable[[str, str], Any],
        mappings: Mapping[str, Any] | None = None,
    ) -> None:
        self._parameters, self._conditions = parameters, conditions
        self._attribute, self._mappings = attribute, mappings or {}
        self._held: dict[str, bool] = {}
        """Conditions by name: they depend on parameters alone."""

    def value(self, node: Any) -> Any:
        """The value with all functions resolved; items that are !Ref AWS::NoValue are left out."""
        if isinstance(node, list):
            return [item for item in map(self.value, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            function = getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if name in ("Ref", "Condition") or name.startswith("Fn::"):
                return self._call(function, name, argument)
        resolved = {key: self.value(item) for key, item in node.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Whether a named condition is true."""
        if condition not in self._held:
            self._held[condition] = bool(self.value(self._conditions[condition]))
        return self._held[condition]

    @staticmethod
    def _call(function: Any, name: str, argument: Any) -> Any:
        if function is None:
            raise NotImplementedError(
                f"The sandbox does not know {name}; add it to stepdrain_sandbox/aws/intrinsics.py."
            )
        return function(argument)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._parameters[name] if name in self._parameters else self._attribute(name, "Ref")

    def _getatt(self, path: Any) -> Any:
        logical_id, name = path.split(".", 1) if isinstance(path, str) else path
        return self._attribute(logical_id, name)

    def _sub(self, argument: Any) -> str:
        text, values = argument if isinstance(argument, list) else (argument, {})

        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in values:
                return str(self.value(values[name]))
            return str(self._getatt(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", replacement, text)

    def _if(self, argument: list[Any]) -> Any:
        condition, then, otherwise = argument
        return self.value(then if self.holds(condition) else otherwise)

    def _condition(self, name: str) -> bool:
        return self.holds(name)

    def _equals(self, pair: list[Any]) -> bool:
        # CloudFormation compares text here: even a parameter of type Number is text.
        return str(self.value(pair[0])) == str(self.value(pair[1]))

    def _not(self, operands: list[Any]) -> bool:
        return not self.value(operands[0])

    def _and(self, operands: list[Any]) -> bool:
        return all(map(self.value, operands))

    def _or(self, operands: list[Any]) -> bool:
        return any(map(self.value, operands))

    def _eachmemberin(self, argument: list[Any]) -> bool:
        checked, among = map(self.value, argument)
        return set(checked) <= set(among)

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(map(str, self.value(argument[1])))

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self.value(argument[1])).split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        return self.value(argument[1])[int(self.value(argument[0]))]

    def _findinmap(self, argument: list[Any]) -> Any:
        name, first, second = map(self.value, argument)
        return self._mappings[name][first][second]
