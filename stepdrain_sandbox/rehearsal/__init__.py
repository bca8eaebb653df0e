"""Drains without sockets, threads and moto: fast enough for thousands of generated nights.

Real are the rendered state machine's Retry, Catch and Choice, the handlers, the domain, the
Kubernetes adapter and its client, and the emulator's store and controllers.
docs/decisions/0013 says what is replaced, and why the results still count.
"""
