"""AWS::LanguageExtensions, as far as template.yaml uses it: loops, mappings, deletion policies.

CloudFormation runs this transform before SAM's, and aws-sam-translator does not know it. Libraries that do
have dependencies that contradict ours (docs/decisions/0055-loops-in-the-template.md); `make lint-template`
compares this one with the SAM CLI's.

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
    """What CloudFormation would refuse before it makes anything; the message says what and why."""


def expand(template: Json, parameters: Mapping[str, str]) -> Json:
    """The template without this transform: each loop written out for these ``parameters`` (as text).

    Raises TemplateRefused for a loop that gives one key twice, a logical id that is not alphanumeric, and a
    list that is no parameter.
    """
    names = template.get("Transform", [])
    transforms = names if isinstance(names, list) else [names]
    if TRANSFORM not in transforms:
        return template
    expander = _Expander(parameter_values(template, parameters), template.get("Mappings", {}))
    expanded = {**template, "Transform": [one for one in transforms if one != TRANSFORM]}
    for section in SECTIONS:
        expanded[section] = expander.node(template.get(section, {}), {})
        _check_ids(expanded[section])
    for resource in expanded["Resources"].values():
        for attribute in POLICIES:
            if isinstance(resource.get(attribute), dict):
                resource[attribute] = expander.parameter(resource[attribute]["Ref"])
    return expanded


def parameter_values(template: Json, parameters: Mapping[str, str]) -> Json:
    """Each declared parameter's value, given as text or its default: a list where its type is one.

    An empty text is a list of one empty item; blanks around items are no part of them
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
            raise TemplateRefused(f"{logical_id} is no logical id: 1 to 255 letters and digits, no others.")


class _Expander:
    def __init__(self, parameters: Json, mappings: Json) -> None:
        self._parameters, self._mappings = parameters, mappings

    def parameter(self, name: str) -> Any:
        """A parameter's value."""
        if name not in self._parameters:
            raise TemplateRefused(
                f"{name} is no parameter, and only parameters are known before a deployment."
            )
        return self._parameters[name]

    def node(self, node: Any, variables: Mapping[str, str]) -> Any:
        """``node`` with its loops written out and the loops' variables put in."""
        if isinstance(node, list):
            return [self.node(one, variables) for one in node]
        if isinstance(node, str):
            return _untouched(node, variables)
        if not isinstance(node, dict):
            return node
        if set(node) == {"Ref"}:
            return self._reference(node["Ref"], variables)
        if set(node) == {"Fn::Sub"}:
            text = self._substituted(node["Fn::Sub"], variables)
            # Where nothing is left to put in, it is a text: Fn::GetAtt and Fn::FindInMap want one.
            return text if isinstance(text, str) and "${" not in text else {"Fn::Sub": text}
        out: Json = {}
        for key, value in node.items():
            if key.startswith(LOOP):
                self._add(out, key, value, variables)
            else:
                out[key] = self.node(value, variables)
        return self._found(out)

    def _found(self, node: Json) -> Any:
        """The value that Fn::FindInMap finds, where its keys are known before a deployment."""
        keys = node.get("Fn::FindInMap")
        if keys is None or not all(isinstance(key, str) for key in keys):
            return node
        name, first, second = keys
        try:
            return self._mappings[name][first][second]
        except KeyError:
            raise TemplateRefused(f"The mapping {name} has no {first}, {second}.") from None

    def _reference(self, name: Any, variables: Mapping[str, str]) -> Any:
        # The transform takes a function as the argument of Ref.
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
            # A loop within the loop is a key of the body; any other key carries the variable.
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
            raise TemplateRefused(f"{collection} is no list.")
        for one in values:
            yield self.parameter(one["Ref"]) if isinstance(one, dict) else str(one)


def _key(key: str, variables: Mapping[str, str]) -> str:
    """An output key: ``&{Name}`` is the value's letters and digits alone."""
    for name, value in variables.items():
        key = key.replace(f"&{{{name}}}", re.sub("[^0-9A-Za-z]", "", value))
    return _filled(key, variables)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    return text


def _untouched(text: str, variables: Mapping[str, str]) -> str:
    """A plain text. Tools differ on whether a variable in one is replaced: it belongs into Fn::Sub.

    ``&{Name}`` is replaced in keys alone
    (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2150).
    """
    for name in variables:
        if re.search(rf"[$&]\{{{name}\}}", text):
            raise TemplateRefused(f"{text} names a loop's variable outside of Fn::Sub.")
    return text
