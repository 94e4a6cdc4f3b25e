"""The project: settings, URLs, the Celery application and WSGI. Wiring only."""

from dreamland.celery import app as celery_app

__all__ = ["celery_app"]
