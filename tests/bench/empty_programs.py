"""The programs of the empty project: WSGI, and Celery without tasks."""

import os

from celery import Celery
from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.empty"
application = get_wsgi_application()
app = Celery("empty")
app.config_from_object("django.conf:settings", namespace="CELERY")
