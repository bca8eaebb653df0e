"""An AWS account in this process: moto, and what a drain needs that moto lacks.

moto's Step Functions interpreter runs the rendered state machine. This package adds its
clock, redrives, lifecycle hooks that hold instances, and rules that invoke functions.
Nothing leaves this machine, and the user's credentials are not read.
"""
