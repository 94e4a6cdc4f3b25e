"""The project: settings, URLs, the Celery application and WSGI. Wiring only."""
