"""Who a bearer token stands for: fixed ones, those of service accounts, and an authenticator's."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from stepdrain_sandbox.kube.rbac import User

Authenticator = Callable[[str], User | None]
AUTHENTICATED = "system:authenticated"


class Tokens:
    """Resolves the token of each request."""

    def __init__(self, users: Mapping[str, User], authenticate: Authenticator | None) -> None:
        self._users = dict(users)
        self._authenticate = authenticate

    def user(self, authorization: str) -> User | None:
        """The user of an Authorization header, None if it names nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        user = self._users.get(token) or (self._authenticate(token) if self._authenticate else None)
        return User(user.name, (*user.groups, AUTHENTICATED)) if user else None

    def issue(self, namespace: str, name: str) -> str:
        """A new token for a service account."""
        token = secrets.token_urlsafe(24)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
        self._users[token] = User(f"system:serviceaccount:{namespace}:{name}", groups)
        return token
