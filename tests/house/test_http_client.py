"""The client of the API tests does see what a refused call wrote, and no other one gets to the API."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.test import APIClient

from rewards.models import Game
from tests.factories import a_game
from tests.http import Api

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@csrf_exempt
def refuses(request: HttpRequest, writes: int) -> HttpResponse:
    if writes:
        Game.objects.filter(slug="chess").update(name="Changed")
    return HttpResponse(status=422 if request.method == "POST" else 200)


urlpatterns = [path("<int:writes>", refuses)]


@pytest.fixture(autouse=True)
def game() -> None:
    a_game()


def test_a_refusal_that_wrote_one_column_of_one_row_is_caught() -> None:
    with pytest.raises(AssertionError, match="rewards_game"):
        Api().post("/1")


def test_a_refusal_that_wrote_nothing_and_an_answer_that_wrote_are_not() -> None:
    assert Api().post("/0").status_code == 422
    assert Api().get("/1").status_code == 200


@pytest.mark.parametrize("plain", [Client, APIClient])
@pytest.mark.parametrize("address", ["/v1/wins", "/v1/problems", "/readyz", "/metrics"])
def test_a_client_that_proves_nothing_does_not_get_to_the_api(plain: type[Client], address: str) -> None:
    with pytest.raises(AssertionError, match=r"tests\.http\.Api"):
        plain().post(address)
    assert Api().post(address).status_code >= 400


def test_a_client_of_people_gets_to_the_back_office() -> None:
    assert Client().get("/0").status_code == 200
