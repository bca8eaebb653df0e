"""Types a command of the AWS CLI in the embedded account, by the services' own models."""

import re

import boto3
import botocore.session

OF_THE_CLI = {"region", "profile", "output", "query", "latest", "cli-binary-format"}


def kebab(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def operation_of(service, operation):
    """botocore's model of the operation; None if the service has none of that name."""
    model = botocore.session.get_session().get_service_model(service)
    names = {kebab(name): name for name in model.operation_names}
    return model.operation_model(names[operation]) if operation in names else None


def typed(words):
    """What the service answers; ``words`` begin with its name."""
    service, operation, *options = words
    model = operation_of(service, operation)
    client = boto3.client(service, region_name="eu-west-1")
    method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.name).lower()
    return getattr(client, method)(**parameters(options, model.input_shape))


def parameters(options, shape):
    members = {kebab(name): (name, member) for name, member in shape.members.items()}
    values = {}
    for word in options:
        if word.startswith("--"):
            name = word.removeprefix("--")
            values[name] = []
        else:
            values[name].append(word)
    return {
        members[name][0]: value(given, members[name][1])
        for name, given in values.items()
        if name not in OF_THE_CLI
    }


def value(given, shape):
    """https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html, as far as it is used."""
    match shape.type_name:
        case "list" if shape.member.type_name == "structure":
            return [structure(member, shape.member) for member in given]
        case "list":
            return given
        case "structure":
            return structure(given[0], shape)
        case "boolean":
            return not given or given == ["true"]
        case "integer" | "long":
            return int(given[0])
        case _:
            return given[0]


def structure(text, shape):
    pairs = dict(pair.split("=", 1) for pair in text.split(","))
    return {name: value([given], shape.members[name]) for name, given in pairs.items()}
