# The production image: the locked runtime dependencies and the code, run by nobody in particular.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=dreamland.settings STATIC_ROOT=/srv/static
RUN useradd --system --uid 10001 --home-dir /srv dreamland && install -d -o dreamland /anchor && install -d -o dreamland -m 700 /keys
WORKDIR /srv
COPY --from=build /venv /venv
COPY manage.py pyproject.toml ./
COPY dreamland dreamland
COPY ledger ledger
COPY rewards rewards
COPY conversion conversion
COPY templates templates
# Static files need no server and no secret; this key signs nothing and is gone with the layer's shell.
RUN SECRET_KEY=collectstatic-signs-nothing python -m django collectstatic --noinput --verbosity 0
USER dreamland
EXPOSE 8000
# One worker with threads: on Linux several workers share connections evenly only with net.ipv4.tcp_migrate_req=1.
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--blocking-threads", "8", \
     "--static-path-route", "/static", "--static-path-mount", "/srv/static", "dreamland.wsgi:application"]
