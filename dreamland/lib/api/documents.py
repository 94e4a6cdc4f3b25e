"""What people and programs read about the API: the contract, Swagger UI, and the page behind a problem's `type`."""

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dreamland.lib.api.catalogue import KINDS
from dreamland.lib.api.contract import document, example
from dreamland.lib.api.handlers import read_only
from dreamland.lib.api.problems import problem, problem_response


@read_only
def openapi_json(_request: HttpRequest) -> HttpResponse:
    """GET /v1/openapi.json."""
    return HttpResponse(document(), content_type="application/json", headers={"Cache-Control": "no-cache"})


@read_only
def docs(request: HttpRequest) -> HttpResponse:
    """GET /v1/docs: Swagger UI, from this server alone."""
    return render(request, "contract/docs.html")


@read_only
def problem_pages(request: HttpRequest) -> HttpResponse:
    """GET /v1/problems: all of them."""
    return render(request, "contract/problems.html", {"kinds": KINDS})


@read_only
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """GET /v1/problems/{code}: what a problem's `type` resolves to: its meaning, what to do, and how it looks."""
    kind = KINDS.get(code)
    if kind is None:
        return problem_response(problem("not-found", f'there is no problem "{code}"', request=request))
    seen = json.dumps(example(code)["value"], indent=2)
    return render(request, "contract/problem.html", {"code": code, "kind": kind, "example": seen})
