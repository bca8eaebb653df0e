"""AWS::LanguageExtensions, as far as template.yaml uses it: loops, mappings, deletion policies.

CloudFormation runs this transform before SAM's, and aws-sam-translator does not know it. Libraries that know
it have dependencies that conflict with ours (docs/decisions/0055-loops-in-the-template.md);
`make lint-template` compares the result with the SAM CLI's.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-foreach.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]
TRANSFORM = "AWS::LanguageExtensions"
LOOP = "Fn::ForEach::"
SECTIONS = ("Conditions", "Resources", "Outputs")
POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")


class TemplateRefused(ValueError):
    """CloudFormation would refuse this template before creating anything; the message says why."""


def expand(template: Json, parameters: Mapping[str, str]) -> Json:
    """The template without this transform, its loops expanded for these ``parameters`` (as text).

    Raises TemplateRefused for a loop that makes a key twice, a logical id that is not alphanumeric, and a
    list that is not a parameter.
    """
    names = template.get("Transform", [])
    transforms = names if isinstance(names, list) else [names]
    if TRANSFORM not in transforms:
        return template
    expander = _Expander(parameter_values(template, parameters), template.get("Mappings", {}))
    expanded = {**template, "Transform": [name for name in transforms if name != TRANSFORM]}
    for section in SECTIONS:
        expanded[section] = expander.node(template.get(section, {}), {})
        _check_ids(expanded[section])
    for resource in expanded["Resources"].values():
        for attribute in POLICIES:
            if isinstance(resource.get(attribute), dict):
                resource[attribute] = expander.parameter(resource[attribute]["Ref"])
    return expanded


def parameter_values(template: Json, parameters: Mapping[str, str]) -> Json:
    """The value of each declared parameter, from its text or default; a list if its type is a list.

    An empty text is a list with an empty item; blanks around items are removed
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html).
    """
    values: Json = {}
    for name, declared in template.get("Parameters", {}).items():
        text = str(parameters.get(name, declared.get("Default", "")))
        is_list = declared["Type"] == "CommaDelimitedList"
        values[name] = [item.strip() for item in text.split(",")] if is_list else text
    return values


def _check_ids(section: Json) -> None:
    for logical_id in section:
        if not re.fullmatch(r"[0-9A-Za-z]{1,255}", logical_id):
            raise TemplateRefused(
                f"{logical_id} is not a logical id: use 1 to 255 letters and digits, and nothing else."
            )


class _Expander:
    def __init__(self, parameters: Json, mappings: Json) -> None:
        self._parameters, self._mappings = parameters, mappings

    def parameter(self, name: str) -> Any:
        """A parameter's value."""
        if name not in self._parameters:
            raise TemplateRefused(
                f"{name} is not a parameter, and only parameters are known before a deployment."
            )
        return self._parameters[name]

    def node(self, node: Any, variables: Mapping[str, str]) -> Any:
        """``node`` with its loops expanded and the loops' variables replaced."""
        if isinstance(node, list):
            return [self.node(item, variables) for item in node]
        if isinstance(node, str):
            return _untouched(node, variables)
        if not isinstance(node, dict):
            return node
        if set(node) == {"Ref"}:
            return self._reference(node["Ref"], variables)
        if set(node) == {"Fn::Sub"}:
            text = self._substituted(node["Fn::Sub"], variables)
            # Without variables it becomes a text, which Fn::GetAtt and Fn::FindInMap need.
            return text if isinstance(text, str) and "${" not in text else {"Fn::Sub": text}
        out: Json = {}
        for key, value in node.items():
            if key.startswith(LOOP):
                self._add(out, key, value, variables)
            else:
                out[key] = self.node(value, variables)
        return self._found(out)

    def _found(self, node: Json) -> Any:
        """The value of Fn::FindInMap, if its keys are known before a deployment."""
        keys = node.get("Fn::FindInMap")
        if keys is None or not all(isinstance(key, str) for key in keys):
            return node
        name, first, second = keys
        try:
            return self._mappings[name][first][second]
        except KeyError:
            raise TemplateRefused(f"The mapping {name} has no {first}, {second}.") from None

    def _reference(self, name: Any, variables: Mapping[str, str]) -> Any:
        # The transform accepts a function as the argument of Ref.
        if isinstance(name, dict):
            return {"Ref": _filled(name["Fn::Sub"], variables)}
        return variables.get(name, {"Ref": name})

    def _substituted(self, argument: Any, variables: Mapping[str, str]) -> Any:
        if isinstance(argument, str):
            return _filled(argument, variables)
        text, values = argument
        return [_filled(text, variables), self.node(values, variables)]

    def _add(self, out: Json, loop: str, definition: list[Any], variables: Mapping[str, str]) -> None:
        identifier, collection, body = definition
        made_by: dict[str, str] = {}
        for item in self._items(collection):
            inner = {**variables, identifier: item}
            # A nested loop is a key of the body; any other key contains the variable.
            for key, value in body.items():
                if key.startswith(LOOP):
                    self._add(out, key, value, inner)
                    continue
                name = _key(key, inner)
                if name in out:
                    first = f"{made_by[name]} and {item}" if name in made_by else item
                    raise TemplateRefused(
                        f"{loop} makes {name} a second time, for {first}. Rename one of them."
                    )
                out[name], made_by[name] = self.node(value, inner), item

    def _items(self, collection: Any) -> Iterator[str]:
        values = self.parameter(collection["Ref"]) if isinstance(collection, dict) else collection
        if not isinstance(values, list):
            raise TemplateRefused(f"{collection} is not a list.")
        for value in values:
            yield self.parameter(value["Ref"]) if isinstance(value, dict) else str(value)


def _key(key: str, variables: Mapping[str, str]) -> str:
    """An output key: ``&{Name}`` stands for only the letters and digits of the value."""
    for name, value in variables.items():
        key = key.replace(f"&{{{name}}}", re.sub("[^0-9A-Za-z]", "", value))
    return _filled(key, variables)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _untouched(text: str, variables: Mapping[str, str]) -> str:
    """A plain text. Tools differ on whether they replace variables in it: variables belong in Fn::Sub.

    ``&{Name}`` is replaced only in keys
    (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2150).
    """
    for name in variables:
        if re.search(rf"[$&]\{{{name}\}}", text):
            raise TemplateRefused(f"{text} uses a loop's variable outside of Fn::Sub.")
    return text
