"""Walks recorded scenarios against a Kubernetes API and compares every answer.

A scenario's answers hold placeholders for what is volatile (<uid:1>, <timestamp>): the
same number must stand for the same value. ``rules.keep`` says which fields are compared.
"""

from __future__ import annotations

import json
import re
import time
from urllib.parse import quote, urlencode

import urllib3

PATTERN = {
    "uid": r"[0-9A-Za-z-]+",
    "resourceVersion": r"[0-9]+",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "generated-name": r"[a-z0-9]+",
    "continue": r"\S+",
    "token": r"\S+",
}
PLACEHOLDER = re.compile(r"<(%s)(?::(\d+))?>" % "|".join(PATTERN))
UNIQUE = ("uid", "resourceVersion")  # different number => different value


class Difference(Exception):
    pass


# ---------------------------------------------------------------- trimming
def keep(value, tree):
    """Project value on a keep tree; null-valued keys and emptied objects vanish;
    conditions are a map keyed by type, so they are put in the order of their types."""
    if tree == "*":
        if isinstance(value, dict):
            return {k: keep(v, "*") for k, v in value.items() if v is not None}
        if isinstance(value, list):
            return [keep(v, "*") for v in value]
        return value
    if isinstance(value, list):
        inner = tree[0] if isinstance(tree, list) else tree
        return [keep(v, inner) for v in value]
    if isinstance(value, dict) and isinstance(tree, dict):
        out = {}
        for k, sub in tree.items():
            if value.get(k) is None:
                continue
            kept = keep(value[k], sub)
            if k == "conditions" and isinstance(kept, list):
                kept = sorted(kept, key=lambda c: c.get("type", ""))
            if kept != {} or sub == "*":
                out[k] = kept
        return out
    return value


def trim(body, rules, filter_items=None):
    """Apply the file's keep rules to one response body (object, list or text)."""
    if not isinstance(body, dict):
        return body.strip() if isinstance(body, str) else body
    trees, kind = rules["keep"], body.get("kind", "")
    if kind.endswith("List") and isinstance(body.get("items"), list):
        items = body["items"]
        if filter_items:
            items = [i for i in items if dig(i, "." + filter_items["path"], None) == filter_items["equals"]]
        tree = {k: v for k, v in trees.get(kind[:-4], trees["*"]).items()}
        return {
            "kind": kind,
            "apiVersion": body.get("apiVersion"),
            "metadata": keep(body.get("metadata") or {}, trees["List"]["metadata"]),
            "items": [keep(i, tree) for i in items],
        }
    return keep(body, trees.get(kind, trees["*"]))


def dig(value, path, default=KeyError):
    """Follow a path such as .items[0].metadata.uid"""
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            if default is KeyError:
                raise Difference(f"reference {path} not found in the earlier response") from None
            return default
    return value


# ---------------------------------------------------------------- matching
class Binder:
    """Remembers what each numbered placeholder stood for within one scenario."""

    def __init__(self):
        self.values = {}

    def bind(self, kind, number, value):
        if number is None:
            return None
        known = self.values.get((kind, number))
        if known is not None:
            return None if known == value else f"<{kind}:{number}> was {known!r} before, is {value!r} now"
        if kind in UNIQUE:
            for (k, n), v in self.values.items():
                if k == kind and v == value:
                    return f"{value!r} already stood for <{kind}:{n}>, expected another <{kind}:{number}>"
        self.values[kind, number] = value
        return None

    def text(self, expected, actual):
        marks = list(PLACEHOLDER.finditer(expected))
        if not marks:
            return None if expected == actual else f"expected {expected!r}, got {actual!r}"
        regex, at = "", 0
        for m in marks:
            regex += re.escape(expected[at : m.start()]) + "(" + PATTERN[m[1]] + ")"
            at = m.end()
        found = re.fullmatch(regex + re.escape(expected[at:]), actual, re.S)
        if not found:
            return f"expected {expected!r}, got {actual!r}"
        for m, value in zip(marks, found.groups()):
            problem = self.bind(m[1], m[2], value)
            if problem:
                return problem
        return None

    def compare(self, expected, actual, path="", skip=()):
        """First difference as text, or None."""
        if path in skip:
            return None
        if isinstance(expected, dict) and isinstance(actual, dict):
            for k in list(expected) + [k for k in actual if k not in expected]:
                here = f"{path}.{k}"
                if here in skip:
                    continue
                if k not in actual:
                    return f"{here}: missing, expected {short(expected[k])}"
                if k not in expected:
                    return f"{here}: unexpected {short(actual[k])}"
                problem = self.compare(expected[k], actual[k], here, skip)
                if problem:
                    return problem
            return None
        if isinstance(expected, list) and isinstance(actual, list):
            for i, (e, a) in enumerate(zip(expected, actual)):
                problem = self.compare(e, a, f"{path}[{i}]", skip)
                if problem:
                    return problem
            if len(expected) != len(actual):
                return f"{path}: expected {len(expected)} entries, got {len(actual)}"
            return None
        if isinstance(expected, str) and isinstance(actual, str):
            problem = self.text(expected, actual)
            return f"{path}: {problem}" if problem else None
        if type(expected) is not type(actual) or expected != actual:
            return f"{path}: expected {short(expected)}, got {short(actual)}"
        return None


def short(value):
    text = json.dumps(value)
    return text if len(text) < 200 else text[:200] + "..."


# ---------------------------------------------------------------- walking
def fill(value, run):
    if isinstance(value, str):
        return value.replace("{{run}}", run)
    if isinstance(value, list):
        return [fill(v, run) for v in value]
    if isinstance(value, dict):
        return {fill(k, run): fill(v, run) for k, v in value.items()}
    return value


def resolve(value, raw):
    """Replace {"$ref": "step N .path"} by the value the earlier response really had."""
    if isinstance(value, dict):
        if set(value) == {"$ref"}:
            m = re.fullmatch(r"step (\d+) (\S+)", value["$ref"])
            return dig(raw.get(int(m[1])), m[2])
        return {k: resolve(v, raw) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, raw) for v in value]
    return value


class Server:
    def __init__(self, base, tokens, ca=None, insecure=False):
        self.base, self.tokens = base.rstrip("/"), tokens
        tls = {}
        if base.startswith("https"):
            tls = {"cert_reqs": "CERT_NONE"} if insecure else {"cert_reqs": "CERT_REQUIRED", "ca_certs": ca}
            if insecure:
                urllib3.disable_warnings()
        self.http = urllib3.PoolManager(retries=False, maxsize=4, **tls)

    def send(self, request, stream=False):
        auth = request.get("auth", "admin")
        headers = {"Accept": request.get("accept", "application/json")}
        if auth != "none":
            headers["Authorization"] = "Bearer " + self.tokens.get(auth, auth)
        body = request.get("body")
        if body is not None:
            headers["Content-Type"] = request.get("content_type") or "application/json"
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        url = self.base + quote(request["path"], safe="/:.-_~%{}")
        if request.get("query"):
            url += "?" + urlencode(request["query"])
        return self.http.request(
            request["method"],
            url,
            body=body,
            headers=headers,
            redirect=False,
            preload_content=not stream,
            timeout=urllib3.Timeout(connect=5, read=30),
        )


def answer(r):
    headers = {
        "Content-Type": (r.headers.get("Content-Type") or "").split(";")[0].strip() or None,
        "Retry-After": r.headers.get("Retry-After"),
    }
    return r.status, {k: v for k, v in headers.items() if v is not None}


def decode(data):
    text = data.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


class Replay:
    """One scenario against one server: raw answers and open watches by step, and what placeholders stand for."""

    def __init__(self, server, rules, strict):
        self.server, self.rules, self.strict = server, rules, strict
        self.raw, self.watches, self.binder = {}, {}, Binder()
        self.what = ""

    def close(self):
        for r in self.watches.values():
            r.close()

    def step(self, n, step):
        """Raises Difference, or what urllib3 and an answer of another form raise; ``what`` names the step."""
        self.what = f"step {n}"
        if "read_watch" in step:
            self.read_watch(n, step)
        else:
            self.request(n, step)

    def read_watch(self, n, step):
        self.what += f" read {step['read_watch']}"
        lines = self.watches.pop(step["read_watch"]).data.split(b"\n")
        events = [json.loads(x) for x in lines if x.strip()]
        self.raw[n] = {"events": events}
        got = [{"type": e["type"], "object": trim(e["object"], self.rules)} for e in events]
        self.same(step["response"]["events"], got, ".events")

    def request(self, n, step):
        request, want = resolve(step["request"], self.raw), step["response"]
        self.what += f" {request['method']} {request['path']}"
        r = self.server.send(request, stream="open_watch" in step)
        status, headers = answer(r)
        if "open_watch" in step:
            self.watches[step["open_watch"]] = r
        else:
            self.raw[n] = decode(r.data)
        if status != want["status"]:
            text = self.raw.get(n)
            text = text.get("message", "") if isinstance(text, dict) else text
            raise Difference(f"HTTP status: expected {want['status']}, got {status} {str(text or '')[:200]}")
        if step.get("setup"):  # only the status counts; still learn the placeholders
            self.binder.compare(want.get("body"), trim(self.raw[n], self.rules))
            return
        self.same(want["headers"], headers, ".headers")
        if "body" in want:
            skip = () if self.strict else ["." + p for p in step.get("loose", [])]
            self.same(want["body"], trim(self.raw[n], self.rules, step.get("filter_items")), "", skip)

    def same(self, expected, actual, path, skip=()):
        problem = self.binder.compare(expected, actual, path, skip)
        if problem:
            raise Difference(problem)


def run_scenario(scenario, server, rules, run, strict=False, waits=True):
    """None if every step agreed, else the first difference as text."""
    replay = Replay(server, rules, strict)
    server.http.clear()  # a connection broken in one scenario must not hurt the next
    try:
        for n, step in enumerate(fill(scenario, run)["steps"], 1):
            if waits and step.get("wait_ms"):
                time.sleep(step["wait_ms"] / 1000)
            replay.step(n, step)
    except Difference as e:
        return f"{replay.what}: {e}"
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError, AttributeError) as e:
        return f"{replay.what}: {type(e).__name__}: {e}"
    finally:
        replay.close()
    return None
