"""An AWS account in this process: moto, and beside it what moto lacks and a drain needs.

moto's Step Functions interpreter runs the rendered state machine; here are the clock it
runs on, redrives, lifecycle hooks that really hold an instance, and rules that invoke
functions. Nothing leaves this machine, and no credentials of the user are read.
"""
