"""The two roads of a single win."""

import pytest

from rewards import recording


@pytest.fixture(params=["plain where it can be", "never plain"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test that asks for it runs twice: its single wins take the short road where they can, and never."""
    if request.param == "never plain":
        monkeypatch.setattr(recording, "record_plain", lambda **_: None)
    return str(request.param)
