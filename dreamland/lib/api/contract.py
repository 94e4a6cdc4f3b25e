"""What all calls of the contract share: credentials, headers, the shape and an example of every problem."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.problems import CONTENT_TYPE

Json = dict[str, Any]

DESCRIPTION = """\
Games report what players won, at most 5 DREAM a day; every hour the tokens become US dollars.

* **Every write is safe to repeat, for ever.** A game's own `reference` names a win: the same call again answers 200
  with `Idempotent-Replayed: true` and writes nothing; the same reference with another content is a 409.
* **A problem means that nothing was written** (RFC 9457, `application/problem+json`). Branch on `code`; `type` leads to
  a page that says what to do. After a 429 or a 503 wait for `Retry-After` and send the same call again.
* **Amounts are decimal strings**, exact to 18 decimals. Times are RFC 3339 with an offset; answers are UTC.
* Unknown fields, unknown parameters and duplicate keys are refused by name. Answers may gain members: ignore what you
  do not know.
"""

HEADERS: Json = {
    "X-Request-ID": {
        "description": "The name of this call in our logs: the caller's own where it sent a well-formed one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "RateLimit-Policy": {
        "description": "The limits that hold for this caller (draft-ietf-httpapi-ratelimit-headers): quota `q` in a"
        " window of `w` seconds. Without a good credential a caller is an address.",
        "schema": {"type": "string", "examples": ['"burst";q=1000;w=5, "sustained";q=30000;w=300']},
    },
    "RateLimit": {
        "description": "What is left of each limit: `r` calls for `t` seconds. Absent where nobody can count just now.",
        "schema": {"type": "string", "examples": ['"burst";r=999;t=5, "sustained";r=29999;t=290']},
    },
    "Retry-After": {
        "description": "Seconds after which the same call may be sent again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string", "examples": ['Bearer realm="dreamland"']}},
    "Location": {
        "description": "The address of what was made.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotent-Replayed": {
        "description": "`true` where the same call was answered before: nothing was written now.",
        "schema": {"type": "string", "const": "true"},
    },
    "ETag": {
        "description": "Send it as `If-None-Match` to get a 304 while nothing changed. Strong; weak where the answer"
        " has an `as_of`, which changes at every call.",
        "required": True,
        "schema": {"type": "string", "pattern": '^(W/)?"[0-9a-f]{32}"$'},
    },
    "Cache-Control": {"required": True, "schema": {"type": "string", "const": "private, no-cache"}},
    "Link": {
        "description": '`<address>; rel="next"` where there is another page (RFC 8288).',
        "schema": {"type": "string"},
    },
}
SECURITY_SCHEMES: Json = {
    "gameKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "dl_<environment>_<key id>_<secret>",
        "description": "A game server's key, with scopes. It never goes into a game's client.",
    },
    "playerToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A player's own token, from the identity service: reads that player, writes nothing.",
    },
    "staffSession": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "The back-office's session: reads with the permission named, writes nothing.",
    },
    "metricsToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The METRICS_TOKEN of an installation, for its Prometheus.",
    },
}
PROBLEM: Json = {
    "type": "object",
    "description": "A refusal or a failure (RFC 9457). Some codes have members of their own, such as `remaining`.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/v1/problems/daily-cap-exceeded"]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 308, "maximum": 599},
        "detail": {"type": "string", "description": "For people; it may change."},
        "code": {"type": "string", "description": "For programs; it does not change.", "enum": sorted(KINDS)},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every value that is wrong.",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
PARAMETERS: Json = {
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag that the caller has: the answer is a 304 without a body while nothing changed.",
        "schema": {"type": "string"},
    }
}
RESPONSES: Json = {
    "NotModified": {
        "description": "Nothing changed since the answer with this ETag",
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"}
            for name in ("ETag", "Cache-Control", "X-Request-ID", "RateLimit", "RateLimit-Policy")
        },
    }
}
MEMBERS: Json = {
    "daily-cap-exceeded": {"remaining": "0.25", "resets_at": "2026-11-21T00:00:00Z"},
    "scope-missing": {"scope": "wins:write"},
    "player-elsewhere": {"region": "us"},
    "player-moving": {"region": "us"},
    "misdirected": {"region": "us"},
    "body-too-large": {"limit_bytes": 65_536},
    "duplicate-key": {"key": "amount"},
    "unknown-parameter": {"parameter": "verbose"},
    "invalid-amount": {"errors": [{"pointer": "/amount", "code": "invalid-amount", "detail": "..."}]},
    "invalid-time": {"errors": [{"pointer": "/won_at", "code": "invalid-time", "detail": "..."}]},
    "invalid": {"errors": [{"pointer": "/note", "code": "unknown-field", "detail": "there is no such field"}]},
}


HEADERS_OF = {308: ["Location"], 401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}


def headers(names: Iterable[str]) -> Json:
    """References to the headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_responses(codes: Iterable[str]) -> Iterator[tuple[str, Json]]:
    """A response for each status of these codes, with an example for each code."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(KINDS[code].status, []).append(code)
    for status, of_status in sorted(by_status.items()):
        yield (
            str(status),
            {
                "description": "; ".join(KINDS[code].title for code in of_status),
                "headers": headers([*HEADERS_OF.get(status, []), "X-Request-ID", "RateLimit", "RateLimit-Policy"]),
                "content": {
                    CONTENT_TYPE: {
                        "schema": {
                            "allOf": [
                                {"$ref": "#/components/schemas/Problem"},
                                {"properties": {"status": {"const": status}, "code": {"enum": of_status}}},
                            ]
                        },
                        "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in of_status},
                    }
                },
            },
        )


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that needs no caller of ours and has nothing to do with money: of load balancers, Prometheus, readers."""

    name: str
    text: str
    media_type: str = "application/json"
    problems: Sequence[str] = ()
    parameters: Sequence[Json] = ()
    security: Sequence[Json] = ()

    def operation(self, path: str) -> Json:
        """The call at `path` as an OpenAPI operation. Probes and scrapes are not counted by the limits."""
        limits = ["RateLimit", "RateLimit-Policy"] if path.startswith("/v1/") else []
        shape = {"type": "object" if self.media_type == "application/json" else "string"}
        answer = {
            "description": "OK",
            "headers": headers(["X-Request-ID", *limits]),
            "content": {self.media_type: {"schema": shape}},
        }
        problems = problem_responses([*self.problems, "bad-request", "internal-error"])
        operation: Json = {
            "operationId": self.name,
            "description": self.text,
            "tags": ["service"],
            "security": list(self.security),
            "responses": {"200": answer, **dict(problems)},
        }
        return operation | ({"parameters": list(self.parameters)} if self.parameters else {})


PROBLEM_CODE: Json = {
    "name": "code",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "enum": sorted(KINDS)},
}
OPEN_CALLS = {
    "/livez": OpenCall("livez", "The process answers."),
    "/readyz": OpenCall("readyz", "Database, migrations and broker are ready.", problems=["unavailable"]),
    "/metrics": OpenCall(
        "metrics",
        "Figures in Prometheus' text format. With the token of this installation; where it has none, on its machine.",
        "text/plain",
        ["not-authenticated", "forbidden"],
        security=[{"metricsToken": []}, {}],
    ),
    "/v1/openapi.json": OpenCall("openapi", "This contract."),
    "/v1/docs": OpenCall("docs", "This contract for people: Swagger UI, which needs no other host.", "text/html"),
    "/v1/problems": OpenCall("listProblems", "Every problem, for people.", "text/html"),
    "/v1/problems/{code}": OpenCall(
        "getProblem",
        "What the `type` of a problem leads to: what it means and what to do.",
        "text/html",
        ["not-found"],
        [PROBLEM_CODE],
    ),
}


def example(code: str) -> Json:
    """A problem of that code as a caller would see it."""
    kind = KINDS[code]
    value = {
        "type": f"/v1/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "...",
        "code": code,
        "request_id": "0192f8c4-7a1e-7c3d-9b2a-1f2e3d4c5b6a",
    }
    return {
        "summary": kind.title,
        "description": f"{kind.meaning} {kind.remedy}",
        "value": {**value, **MEMBERS.get(code, {})},
    }


def complete(result: Json, **_: Any) -> Json:
    """drf-spectacular's post-processing hook: adds what the operations refer to."""
    result["info"]["description"] = DESCRIPTION
    result["paths"] |= {path: {"get": call.operation(path)} for path, call in OPEN_CALLS.items()}
    components = result["components"]
    components["schemas"]["Problem"] = PROBLEM
    components |= {
        "headers": HEADERS,
        "parameters": PARAMETERS,
        "responses": RESPONSES,
        "securitySchemes": SECURITY_SCHEMES,
        "examples": {code: example(code) for code in KINDS},
    }
    return result


@cache
def document() -> bytes:
    """The whole contract as JSON. Made once for each process: it follows from the code alone."""
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiJsonRenderer

    rendered: bytes = OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True))
    return rendered
