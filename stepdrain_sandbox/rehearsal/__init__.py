"""A drain without sockets, threads and moto: fast enough for thousands of generated nights.

What runs for real: the rendered state machine's Retry, Catch and Choice, the handlers, the
domain, the Kubernetes adapter and its client, and the emulator's store and controllers.
What is replaced, and why that is honest, is in docs/decisions/0013.
"""
