"""An engine for the rendered state machines: the part of the Amazon States Language that they use.

``stepdrain run`` drains on it in real time, without AWS, and the rehearsal of the embedded world in virtual
time. It writes the history that Step Functions would (https://states-language.net/spec.html).
"""
