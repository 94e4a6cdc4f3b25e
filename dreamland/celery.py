"""The Celery application. It finds the tasks of every installed app."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")

app = Celery("dreamland")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
