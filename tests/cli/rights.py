"""A person's own rights in the embedded account: what they call is noted, and what they lack is denied."""

from stepdrain_sandbox.aws import permissions


class Person:
    """A session in place of boto3's. ``lacks`` and ``called`` are IAM actions."""

    def __init__(self, session):
        self._session, self.lacks, self.called = session, set(), set()

    def __getattr__(self, name):
        return getattr(self._session, name)

    def client(self, service, **options):
        """A client that asks this person's rights before each call."""
        return Client(self._session.client(service, **options), self)


class Client:
    """One service's."""

    def __init__(self, client, person):
        self._client, self._person = client, person

    def __getattr__(self, name):
        found = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return found

        def allowed(**parameters):
            self._ask(name)
            return found(**parameters)

        return allowed

    def get_paginator(self, name):
        """The real one, if the person may call the operation."""
        self._ask(name)
        return self._client.get_paginator(name)

    def _ask(self, method):
        operation = self._client.meta.method_to_api_mapping[method]
        wanted = permissions.action(self._client.meta.service_model, operation)
        self._person.called.add(wanted)
        if wanted in self._person.lacks:
            raise permissions.denial("arn:aws:sts::123456789012:assumed-role/you/you", wanted)
