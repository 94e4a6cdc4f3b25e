"""Every address of Dreamland."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from dreamland.lib.api.documents import docs, openapi_json, problem_page, problem_pages
from dreamland.lib.health import livez, readyz
from dreamland.lib.metrics import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("v1/openapi.json", openapi_json, name="openapi"),
    path("v1/docs", docs, name="docs"),
    path("v1/problems", problem_pages, name="problems"),
    path("v1/problems/<slug:code>", problem_page, name="problem"),
    path("v1/", include("conversion.urls")),
    path(settings.BACK_OFFICE_URL.lstrip("/"), admin.site.urls),
]

handler400 = "dreamland.lib.api.handlers.bad_request"
handler403 = "dreamland.lib.api.handlers.permission_denied"
handler404 = "dreamland.lib.api.handlers.not_found"
handler500 = "dreamland.lib.api.handlers.server_error"
