"""The floor over HTTP: a Django project of one file with bare DRF views, served as Dreamland is.

No key, no limit, no log, no middleware, no guard: a body is parsed by a plain serializer, one statement goes to the
database over the same kind of connection (pooled, prepared), and a plain serializer or the validated data goes back.
"""

import os
from typing import Any, ClassVar

from django.conf import settings

from tests.bench.place import databases

settings.configure(
    SECRET_KEY="bare" * 16,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=[],
    USE_TZ=True,
    LOGGING={
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "loggers": {"django": {"handlers": ["console"], "level": "ERROR"}},
    },
    DATABASES=databases(
        server_side_binding=True,
        prepare_threshold=5,
        pool={"min_size": 1, "max_size": int(os.environ.get("DATABASE_POOL_MAX_SIZE", "1"))},
    ),
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

ONE = "INSERT INTO bare_win (player_id, reference, amount, won_at) VALUES (%s, %s, %s, %s) RETURNING id"
MANY = """
INSERT INTO bare_win (player_id, reference, amount, won_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::numeric[], %s::timestamptz[]) RETURNING id
"""
# One statement each, by an index that Dreamland has: the day's counter, a day's wins, the conversions.
READS = {
    "stats": ("SELECT day, cap, won FROM rewards_allowance WHERE player_id = %s ORDER BY day DESC LIMIT 1", 1),
    "wins": (
        "SELECT entry_id AS id, reference, player_id, amount, won_at, recorded_at FROM rewards_win WHERE player_id = %s"
        " AND allowance_id = (SELECT id FROM rewards_allowance WHERE player_id = %s ORDER BY day DESC LIMIT 1)"
        " ORDER BY entry_id LIMIT 50",
        2,
    ),
    "usd-history": (
        "SELECT entry_id AS id, day, hour, tokens, usd, converted_at FROM conversion_conversion"
        " WHERE player_id = %s ORDER BY day DESC, hour DESC, entry_id DESC LIMIT 50",
        1,
    ),
}


class Win(serializers.Serializer[Any]):
    """What a win is told with."""

    reference = serializers.CharField(max_length=100)
    player_id = serializers.UUIDField()
    amount = serializers.DecimalField(max_digits=38, decimal_places=18)
    won_at = serializers.DateTimeField()


class WinRow(Win):
    id = serializers.UUIDField()
    recorded_at = serializers.DateTimeField()


class Day(serializers.Serializer[Any]):
    day = serializers.DateField()
    cap = serializers.DecimalField(max_digits=38, decimal_places=18)
    won = serializers.DecimalField(max_digits=38, decimal_places=18)


class UsdLine(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    day = serializers.DateField()
    hour = serializers.DateTimeField()
    tokens = serializers.DecimalField(max_digits=38, decimal_places=18)
    usd = serializers.DecimalField(max_digits=38, decimal_places=18)
    converted_at = serializers.DateTimeField()


SHAPES: dict[str, type[serializers.Serializer[Any]]] = {"stats": Day, "wins": WinRow, "usd-history": UsdLine}


class Wins(APIView):
    """POST: parses a win and makes one INSERT."""

    def post(self, request: Request) -> Response:
        given = Win(data=request.data)
        given.is_valid(raise_exception=True)
        win = given.validated_data
        with connection.cursor() as cursor:
            cursor.execute(ONE, [win["player_id"], win["reference"], win["amount"], win["won_at"]])
            (made,) = cursor.fetchone()
        return Response({"id": made, **given.data}, status=201)


class Batch(APIView):
    """POST: parses many wins and makes one INSERT."""

    def post(self, request: Request) -> Response:
        given = Win(data=request.data["wins"], many=True)
        given.is_valid(raise_exception=True)
        wins: list[dict[str, Any]] = given.validated_data
        columns = ("player_id", "reference", "amount", "won_at")
        with connection.cursor() as cursor:
            cursor.execute(MANY, [[win[column] for win in wins] for column in columns])
            made = [row[0] for row in cursor.fetchall()]
        return Response({"results": [{"id": key, **win} for key, win in zip(made, given.data, strict=True)]})


class Reading(APIView):
    """GET: one indexed SELECT, and a plain serializer over its rows."""

    what: ClassVar[str] = ""

    def get(self, _request: Request, player_id: Any) -> Response:
        sql, times = READS[self.what]
        with connection.cursor() as cursor:
            cursor.execute(sql, [player_id] * times)
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        shape = SHAPES[self.what]
        return Response(shape(rows[0]).data if self.what == "stats" else {"items": shape(rows, many=True).data})


def livez(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("livez", livez),
    path("v1/wins", Wins.as_view()),
    path("v1/wins/batch", Batch.as_view()),
    *[path(f"v1/players/<uuid:player_id>/{what}", Reading.as_view(what=what)) for what in READS],
]
