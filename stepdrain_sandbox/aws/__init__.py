"""An AWS account in this process: moto, and what a drain needs that moto lacks.

moto's Step Functions interpreter runs the rendered state machine. This package adds its
clock, redrives, lifecycle hooks that hold instances, and rules that invoke functions.
Nothing leaves this machine, and the user's credentials are not read.
"""

from importlib import import_module

from stepdrain_sandbox.aws import service_models

# moto's EC2 asks three new sessions for regions while it is imported. Each would parse the endpoints of all
# services and EC2's model, and so would the first world. Here, so that no module of this package is first.
with service_models.made_once():
    import_module("moto.ec2.models")
