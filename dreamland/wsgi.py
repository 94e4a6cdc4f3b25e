"""The WSGI application that granian serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")

application = get_wsgi_application()

# What is loaded now stays: a full garbage collection need not walk over it, 60 to 80 ms long (docs/performance.md).
gc.collect()
gc.freeze()
