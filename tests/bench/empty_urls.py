"""Addresses of the empty project: the admin, and one that says that it is there."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path


def livez(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("livez", livez), path("admin/", admin.site.urls)]
