"""Deploys template.yaml into this process: the template is the only description of what exists.

language_extensions expands the loops first. aws-sam-translator turns the SAM resources into plain resources,
as CloudFormation's transform does. Functions become handlers called in process; queues, rules and the state
machine are created in moto. Kinds that have no effect here (roles, alarms, log groups …) are listed in
``ignored``, never half created in silence.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto.events.models import events_backends
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import intrinsics_multi_constructor

from stepdrain_sandbox.aws import permissions, pre_deployment, release
from stepdrain_sandbox.aws.encryption import Encryption
from stepdrain_sandbox.aws.event_invoke_config import EventInvokeConfig
from stepdrain_sandbox.aws.intrinsics import Resolver
from stepdrain_sandbox.aws.language_extensions import expand, parameter_values
from stepdrain_sandbox.aws.pre_deployment import Existing

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent.parent
STACK = "stepdrain"
CODE = "s3://sandbox/code"
MADE_UP = 24
"""Characters of the stack's name in the names that are made up. Assumed: that they are cut is documented."""
NOTHING = Existing()
_LOADER: Any = type("TemplateLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
"""Reads YAML with libyaml, if PyYAML has it: in a ninth of the time that samtranslator's own way takes."""
_LOADER.add_multi_constructor("!", intrinsics_multi_constructor)


@dataclass(frozen=True)
class Function:
    """A deployed function: its handler's dotted name, environment, timeout in seconds and role's name.

    ``reserved``: its reserved concurrency, a count: it may use no more, and nobody else may use it.
    """

    name: str
    handler: str
    environment: dict[str, str]
    timeout_s: float = 900
    role: str = ""
    reserved: int | None = None

    def load(self) -> Callable[[Json, Any], Any]:
        """The handler itself."""
        module, _, name = self.handler.rpartition(".")
        loaded: Callable[[Json, Any], Any] = getattr(importlib.import_module(module), name)
        return loaded


@dataclass(frozen=True)
class Access:
    """A function's name and groups in the cluster, from its EKS access entry."""

    username: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class SourceMapping:
    """How Lambda polls a queue; times in seconds."""

    function: str
    batch_size: int
    window_s: int
    reports_failures: bool


@dataclass(frozen=True)
class Redelivery:
    """When an undeleted message becomes visible again, and where it goes after too many receives."""

    visibility_s: int
    most_receives: int
    dead_letters: str
    """Name of the dead-letter queue; "" if there is none."""


@dataclass
class Deployment:
    """The resources that the template created. Keys are logical ids."""

    functions: dict[str, Function] = field(default_factory=dict)
    state_machines: dict[str, str] = field(default_factory=dict)
    encrypted: dict[str, Encryption] = field(default_factory=dict)
    """By the ARN of each state machine that a key of the account's own encrypts."""
    queues: dict[str, str] = field(default_factory=dict)
    invoke_configs: dict[str, EventInvokeConfig] = field(default_factory=dict)
    """By function name, of the functions that have one."""
    mappings: dict[str, SourceMapping] = field(default_factory=dict)
    """Queue name to its mapping to a function."""
    delivered_again: dict[str, Redelivery] = field(default_factory=dict)
    """By queue name."""
    granted: permissions.Granted = field(default_factory=dict)
    """IAM actions of each function's role."""
    access: dict[str, Access] = field(default_factory=dict)
    """By the function's logical id, from the access entry of its role."""
    access_entries: dict[tuple[str, str], Json] = field(default_factory=dict)
    """Properties of each access entry, by the cluster's name and the principal's ARN."""
    parameters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    resources: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Physical id and kind of each resource that exists."""
    policies: dict[str, list[Json]] = field(default_factory=dict)
    """By the role's physical id: its own policies' statements, and those of the policies attached to it."""
    hooks: list[Json] = field(default_factory=list)
    """The lifecycle hooks, as PutLifecycleHook takes them. They are made last: see World."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Logical id to kind, for kinds that have no counterpart here."""


@dataclass(frozen=True)
class Plan:
    """What a template says for some parameters in some account, resolved: it is only read."""

    wanted: dict[str, Json]
    """Kind and properties of each resource whose condition holds, by logical id."""
    granted: permissions.Granted
    outputs: dict[str, str]
    policies: dict[str, list[Json]]


_PLANS: dict[tuple[Any, ...], Plan] = {}
"""By document, parameters, account, region and stack: most worlds deploy one of a few, and it takes 10 ms."""


def as_text(value: Any) -> str:
    """A parameter as CloudFormation shows it: a list with commas, the rest as text."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _name_in(role_arn: str) -> str:
    return role_arn.rsplit("/", 1)[-1]


@cache
def parsed(text: str) -> Json:
    """A template as samtranslator's yaml_parse reads it, with long forms for short ones: do not change it.

    Raises yaml.YAMLError if the text is not YAML.
    """
    document: Json = yaml.load(text, Loader=_LOADER)
    return document


def translate(template: Path, parameters: Mapping[str, str]) -> Json:
    """The template with its loops and SAM resources translated; needs no credentials and no network.

    Raises TemplateRefused if the loops cannot be expanded for these parameters, or if a released template's
    artefacts are not beside it. The same files and parameters give the same document: do not change it.
    """
    text = template.read_text()
    folder = template.parent / "statemachine"
    if release.is_released(parsed(text)):
        release.check_artefacts(parsed(text), template.parent)
        folder, parameters = template.parent, {**release.PARAMETERS, **parameters}
    definitions = tuple((path.name, path.read_text()) for path in sorted(folder.glob("*.asl.json")))
    return _translated(text, definitions, tuple(sorted(parameters.items())))


@cache
def _translated(
    text: str, definitions: tuple[tuple[str, str], ...], parameters: tuple[tuple[str, str], ...]
) -> Json:
    # The translator changes its input.
    given, machines = dict(parameters), dict(definitions)
    document = copy.deepcopy(expand(parsed(text), given))
    # The translator wants code in S3; only the handlers' names matter here.
    for resource in document["Resources"].values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                properties["CodeUri"] = CODE
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = CODE
            case "AWS::StepFunctions::StateMachine":
                location = properties.pop("DefinitionS3Location")
                properties["DefinitionString"] = machines[release.key_name(location)]
    session = boto3.Session(region_name="eu-west-1")
    values = parameter_values(document, given)
    translated: Json = Translator({}, Parser(), boto_session=session).translate(document, values)
    return translated


class Stack:
    """Creates a template's resources in moto.

    ``existing`` is what the account has already, besides the lifecycle hooks that moto knows.
    """

    def __init__(
        self,
        template: Path,
        parameters: Mapping[str, str],
        account: str,
        region: str,
        *,
        name: str = STACK,
        existing: Existing = NOTHING,
    ) -> None:
        self._document = translate(template, parameters)
        self._account, self._region = account, region
        self._stack, self._existing = name, existing
        self._clients: dict[str, Any] = {}
        self._resources = self._document["Resources"]
        values = parameter_values(self._document, parameters)
        pseudo = {
            "AWS::AccountId": account,
            "AWS::Region": region,
            "AWS::Partition": "aws",
            "AWS::StackName": name,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/{name}/sandbox",
        }
        unknown = set(parameters) - set(values)
        if unknown:
            raise ValueError(f"The template has no parameter {', '.join(sorted(unknown))}.")
        self._resolver = Resolver(
            {**values, **pseudo},
            self._document.get("Conditions", {}),
            self._attribute,
            self._document.get("Mappings"),
        )
        self.deployment = Deployment(parameters={name: as_text(value) for name, value in values.items()})
        # The documents are kept (``translate``), so that none has another's identity.
        self._key = (id(self._document), *sorted(parameters.items()), account, region, name)

    def deploy(self) -> Deployment:
        """Create every resource whose condition holds.

        Raises DeploymentRefused, with nothing made, for what CloudFormation does not deploy into the account.
        """
        makers = {
            "AWS::Lambda::Function": self._function,
            "AWS::Lambda::EventInvokeConfig": self._invoke_config,
            "AWS::Lambda::EventSourceMapping": self._mapping,
            "AWS::SQS::Queue": self._queue,
            "AWS::DynamoDB::Table": self._table,
            "AWS::SNS::Topic": self._topic,
            "AWS::StepFunctions::StateMachine": self._state_machine,
            "AWS::Events::Rule": self._rule,
            "AWS::EKS::AccessEntry": self._access_entry,
            "AWS::AutoScaling::LifecycleHook": self._hook,
            "AWS::SSM::Parameter": self._parameter,
        }
        if self._key not in _PLANS:
            _PLANS[self._key] = self._plan()
        plan = _PLANS[self._key]
        pre_deployment.check(plan.wanted, self._existing, lambda: self._client("autoscaling"))
        for logical_id, resource in plan.wanted.items():
            maker = makers.get(resource["Type"])
            if maker is None:
                self.deployment.ignored[logical_id] = resource["Type"]
            else:
                maker(logical_id, resource["Properties"])
        self._describe(plan)
        return self.deployment

    def _conditional(self, section: str) -> dict[str, Json]:
        """The section's entries whose condition holds."""
        return {
            name: entry
            for name, entry in self._document.get(section, {}).items()
            if "Condition" not in entry or self._resolver.holds(entry["Condition"])
        }

    def _plan(self) -> Plan:
        resolve, existing = self._resolver.value, self._conditional("Resources")
        wanted = {
            name: {"Type": resource["Type"], "Properties": resolve(resource.get("Properties", {}))}
            for name, resource in existing.items()
        }
        outputs = self._conditional("Outputs").items()
        return Plan(
            wanted,
            permissions.granted(self._resources, resolve),
            {name: str(resolve(output["Value"])) for name, output in outputs},
            permissions.statements(existing, resolve),
        )

    def _describe(self, plan: Plan) -> None:
        """What CloudFormation and IAM say of the stack afterwards (stepdrain_sandbox.aws.described)."""
        made, wanted = self.deployment, plan.wanted.items()
        made.resources = {name: (self._physical(name), resource["Type"]) for name, resource in wanted}
        made.granted, made.outputs, made.policies = plan.granted, dict(plan.outputs), dict(plan.policies)

    def _physical(self, logical_id: str) -> str:
        if logical_id in self.deployment.state_machines:
            return self.deployment.state_machines[logical_id]
        return self._attribute(logical_id, "Ref")

    def _name(self, logical_id: str) -> str:
        """A state machine's is in the template. CloudFormation makes the others up, and cuts them to fit.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html
        """
        named = self._resources[logical_id]["Type"] == "AWS::StepFunctions::StateMachine"
        return f"{self._stack if named else self._stack[:MADE_UP]}-{logical_id}"

    def _attribute(self, logical_id: str, name: str) -> str:
        """The value of Ref and GetAtt: ARNs and URLs by rule, even before the resource exists.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html
        """
        kind, own = self._resources[logical_id]["Type"], self._name(logical_id)
        arns = {
            "AWS::Lambda::Function": f"lambda:{self._region}:{self._account}:function:{own}",
            "AWS::SQS::Queue": f"sqs:{self._region}:{self._account}:{own}",
            "AWS::SNS::Topic": f"sns:{self._region}:{self._account}:{own}",
            "AWS::Events::Rule": f"events:{self._region}:{self._account}:rule/{own}",
            "AWS::IAM::Role": f"iam::{self._account}:role/{own}",
            "AWS::StepFunctions::StateMachine": f"states:{self._region}:{self._account}:stateMachine:{own}",
            "AWS::IAM::ManagedPolicy": f"iam::{self._account}:policy/{own}",
            "AWS::KMS::Key": f"kms:{self._region}:{self._account}:key/{own}",
            "AWS::DynamoDB::Table": f"dynamodb:{self._region}:{self._account}:table/{own}",
        }
        if kind == "AWS::Logs::LogGroup":
            own = str(self._resolver.value(self._resources[logical_id]["Properties"]["LogGroupName"]))
            arns[kind] = f"logs:{self._region}:{self._account}:log-group:{own}:*"
        if kind in ("AWS::StepFunctions::StateMachineAlias", "AWS::StepFunctions::StateMachineVersion"):
            # There is only one version: alias and version stand for the machine itself.
            machines = [
                k for k, r in self._resources.items() if r["Type"] == "AWS::StepFunctions::StateMachine"
            ]
            return self._attribute(next(filter(logical_id.startswith, machines)), "Ref")
        arn = f"arn:aws:{arns.get(kind, f'sandbox:{self._region}:{self._account}:{own}')}"
        by_arn = kind in (
            "AWS::StepFunctions::StateMachine",
            "AWS::SNS::Topic",
            "AWS::IAM::ManagedPolicy",
        )
        if name == "Arn" or (name == "Ref" and by_arn):
            return arn
        if kind == "AWS::SQS::Queue" and name == "Ref":
            return f"https://sqs.{self._region}.amazonaws.com/{self._account}/{own}"
        return own

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self._region)
        return self._clients[service]

    def _function(self, logical_id: str, properties: Json) -> None:
        environment = properties.get("Environment", {}).get("Variables", {})
        texts = {key: str(value) for key, value in environment.items()}
        self.deployment.functions[logical_id] = Function(
            self._name(logical_id),
            properties["Handler"],
            texts,
            properties["Timeout"],
            _name_in(properties["Role"]),
            properties.get("ReservedConcurrentExecutions"),
        )

    def _parameter(self, logical_id: str, properties: Json) -> None:
        named = {"Name": self._name(logical_id), "Type": properties["Type"]}
        self._client("ssm").put_parameter(Value=properties["Value"], **named)

    def _access_entry(self, _logical_id: str, properties: Json) -> None:
        """EKS puts the session's name, which is the function's name, into the user name.

        https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html
        """
        self.deployment.access_entries[properties["ClusterName"], properties["PrincipalArn"]] = properties
        for logical_id, resource in self._resources.items():
            role = resource.get("Properties", {}).get("Role")
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            if self._resolver.value(role) == properties["PrincipalArn"]:
                username = properties["Username"].replace("{{SessionName}}", self._name(logical_id))
                self.deployment.access[logical_id] = Access(username, tuple(properties["KubernetesGroups"]))

    def _hook(self, _logical_id: str, properties: Json) -> None:
        timeout = {"HeartbeatTimeout": int(properties["HeartbeatTimeout"])}
        self.deployment.hooks.append({**properties, **timeout})

    def _invoke_config(self, _logical_id: str, properties: Json) -> None:
        config = EventInvokeConfig.of(properties)
        self.deployment.invoke_configs[properties["FunctionName"]] = config

    def _mapping(self, _logical_id: str, properties: Json) -> None:
        queue = properties["EventSourceArn"].split(":")[-1]
        self.deployment.mappings[queue] = SourceMapping(
            properties["FunctionName"],
            properties.get("BatchSize", 10),
            properties.get("MaximumBatchingWindowInSeconds", 0),
            "ReportBatchItemFailures" in properties.get("FunctionResponseTypes", ()),
        )

    def _queue(self, logical_id: str, properties: Json) -> None:
        sqs = self._client("sqs")
        redrive = properties.get("RedrivePolicy") or {}
        self.deployment.delivered_again[self._name(logical_id)] = Redelivery(
            properties.get("VisibilityTimeout", 30),
            redrive.get("maxReceiveCount", 10**9),
            redrive.get("deadLetterTargetArn", "").split(":")[-1],
        )
        self.deployment.queues[logical_id] = sqs.create_queue(QueueName=self._name(logical_id))["QueueUrl"]

    def _table(self, logical_id: str, properties: Json) -> None:
        given = {key: properties[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
        client = self._client("dynamodb")
        client.create_table(TableName=self._name(logical_id), **given)

    def _topic(self, logical_id: str, _properties: Json) -> None:
        self._client("sns").create_topic(Name=self._name(logical_id))

    def _state_machine(self, logical_id: str, properties: Json) -> None:
        definition = properties["DefinitionString"]
        for name, value in properties.get("DefinitionSubstitutions", {}).items():
            definition = definition.replace(f"${{{name}}}", str(value))
        client = self._client("stepfunctions")
        made = client.create_state_machine(
            name=self._name(logical_id),
            definition=definition,
            roleArn=f"arn:aws:iam::{self._account}:role/sandbox",
        )
        arn = self.deployment.state_machines[logical_id] = made["stateMachineArn"]
        if key := properties["EncryptionConfiguration"].get("KmsKeyId"):
            self.deployment.encrypted[arn] = Encryption(key, _name_in(properties["RoleArn"]))

    def _rule(self, logical_id: str, properties: Json) -> None:
        """Not by PutRule and PutTargets: of 18 requests for each world nothing is asked again."""
        backend, name = events_backends[self._account][self._region], self._name(logical_id)
        pattern = properties.get("EventPattern")
        backend.put_rule(
            name,
            event_pattern=None if pattern is None else json.dumps(pattern),
            scheduled_expression=properties.get("ScheduleExpression"),
            state=properties.get("State", "ENABLED"),
        )
        targets = [{"Id": str(target["Id"]), "Arn": target["Arn"]} for target in properties["Targets"]]
        backend.put_targets(name, None, targets)
