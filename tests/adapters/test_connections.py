"""What a container keeps between invocations, and for how long."""

import pytest
from stepdrain import clock
from stepdrain.adapters import connections
from stepdrain.adapters.aws.eks import Endpoint
from stepdrain.errors import InvalidSettings


class Account:
    """Counts what it is asked; each token is another one."""

    def __init__(self):
        self.endpoints, self.tokens = [], []

    def cluster_endpoint(self, cluster):
        self.endpoints.append(cluster)
        return Endpoint(f"https://{cluster}.invalid", "pem")

    def kube_token(self, cluster):
        self.tokens.append(cluster)
        return f"token-{len(self.tokens)}"


class Time:
    """The clock's source."""

    now = 1_767_225_600.0

    def __call__(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    """A clock that the test moves."""
    source = Time()
    monkeypatch.setattr(clock, "source", source)
    return source


@pytest.fixture
def account(monkeypatch, time):
    """A new container in an account."""
    made = Account()
    monkeypatch.delenv("STEPDRAIN_KUBECONFIG", raising=False)
    monkeypatch.setattr(connections, "aws", lambda: made)
    connections.KEPT.forget()
    yield made
    connections.KEPT.forget()


def bearer(cluster):
    return cluster._core.api_client.configuration.api_key["authorization"]


def test_a_second_invocation_asks_aws_nothing(account):
    """eks:DescribeCluster is throttled account-wide; a big scale-in would run into it."""
    connections.kube("demo")
    connections.kube("demo")
    assert (account.endpoints, account.tokens) == (["demo"], ["demo"])


def test_a_token_is_used_for_13_of_its_15_minutes(account, time):
    """One minute for clock skew, one for the invocation itself."""
    connections.kube("demo")
    time.now += 779
    assert bearer(connections.kube("demo")) == "Bearer token-1"
    time.now += 1
    assert bearer(connections.kube("demo")) == "Bearer token-2"
    assert account.endpoints == ["demo"]


def test_an_endpoint_is_kept_for_an_hour(account, time):
    """A cluster that was made anew under its name has another one."""
    connections.kube("demo")
    time.now += 3600
    connections.kube("demo")
    assert account.endpoints == ["demo", "demo"]


def test_a_refused_token_is_made_anew_and_kept(account):
    """The next invocation must not be refused again."""
    cluster = connections.kube("demo")
    cluster._renew_token()
    assert bearer(cluster) == "Bearer token-2"
    assert bearer(connections.kube("demo")) == "Bearer token-2"


def test_clusters_do_not_share_a_token(account):
    """A token is signed for one cluster."""
    assert bearer(connections.kube("one")) != bearer(connections.kube("two"))
    assert account.endpoints == ["one", "two"]


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: first
clusters:
- {name: c1, cluster: {server: "https://one.invalid"}}
- {name: c2, cluster: {server: "https://two.invalid"}}
users: [{name: u, user: {token: t}}]
contexts:
- {name: first, context: {cluster: c1, user: u}}
- {name: second, context: {cluster: c2, user: u}}
"""


@pytest.mark.parametrize(
    ("context", "host"), [("", "https://one.invalid"), ("second", "https://two.invalid")]
)
def test_a_kubeconfig_takes_the_place_of_eks(account, monkeypatch, tmp_path, context, host):
    """The same handlers then serve any cluster, without a call to AWS."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("STEPDRAIN_KUBECONFIG", str(path))
    monkeypatch.setenv("STEPDRAIN_KUBE_CONTEXT", context)
    assert connections.kube("whatever")._core.api_client.configuration.host == host
    assert (account.endpoints, account.tokens) == ([], [])


def test_an_unknown_context_is_named(account, monkeypatch, tmp_path):
    """One sentence with the file."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("STEPDRAIN_KUBECONFIG", str(path))
    monkeypatch.setenv("STEPDRAIN_KUBE_CONTEXT", "third")
    with pytest.raises(InvalidSettings, match=f"The kubeconfig {path} cannot be used: .*third"):
        connections.kube("whatever")


@pytest.fixture
def container(monkeypatch):
    """A container that has served nobody yet."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    connections.KEPT.forget()
    yield
    connections.KEPT.forget()


def test_a_warm_container_reads_the_models_of_aws_once(container):
    """A new session reads them again: 50 ms of CPU in each invocation, half of what a step costs."""
    first, second = connections.aws(), connections.aws()
    assert first is not second
    assert first._session is second._session


def test_a_new_container_makes_its_own_session(container):
    """Nothing of another world's account may be left."""
    first = connections.aws()
    connections.KEPT.forget()
    assert connections.aws()._session is not first._session
