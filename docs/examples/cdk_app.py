"""Stepdrain in a CDK app: the released template as it is, with your values.

Needs aws-cdk-lib. The release lies in a bucket of the stack's region (docs/integrations.md).
"""

import aws_cdk as cdk
from aws_cdk.cloudformation_include import CfnInclude

app = cdk.App()
stack = cdk.Stack(app, "stepdrain")
CfnInclude(
    stack,
    "Stepdrain",
    template_file="stepdrain-0.1.0/template.yaml",
    preserve_logical_ids=True,
    parameters={
        "ArtifactBucket": "my-artifacts",
        "ArtifactPrefix": "stepdrain/0.1.0/",
        "ClusterName": "demo",
        "GroupNames": "workers",
        "CreateLifecycleHooks": "true",
        "CreateAccessEntries": "true",
    },
)
app.synth()
