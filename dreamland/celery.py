"""The Celery application. It finds the tasks of every installed app."""

import gc
import os

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")

app = Celery("dreamland")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def freeze(**_: object) -> None:
    """What is loaded now stays: garbage collections need not walk over it (docs/performance.md)."""
    gc.collect()
    gc.freeze()
