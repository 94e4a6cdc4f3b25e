"""Every setting of Dreamland, read from the environment once. Secure by default; what is unsafe must be asked for."""

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import environ  # type: ignore[import-untyped]
from celery.schedules import crontab

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")  # does nothing where there is no such file

# --- What must be said in production, and what may be asked for locally ------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")  # empty: refused by Django itself and by `check --deploy`
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ENVIRONMENT = env.str("ENVIRONMENT", default="live")  # the word inside the keys: dl_live_..., dl_local_...
# Plain HTTP, for a stack that only listens on this machine.
INSECURE_HTTP = env.bool("INSECURE_HTTP", default=False)

# --- Regions: a cell of its own each (docs/infrastructure.md). Without REGION there is one, and nothing here counts --

REGION = env.str("REGION", default="")  # this cell's name, or "centre"
REGIONS: dict[str, str] = env.json("REGIONS", default={})  # every region's address: {"eu": "https://eu.example"}
MOVE_KEY = env.str("MOVE_KEY", default="")  # seals the profiles of players on the way; the same in every region
CLOSING_SPAN = timedelta(hours=1)  # how long an hour is for the centre's control totals; shorter in trials
CLOSING_MARGIN = timedelta(seconds=2)  # after which an hour is over for sure, also where a clock is set back a little

# --- Applications ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "dreamland.staff.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "dreamland",
    "dreamland.lib",
    "dreamland.lib.trail",
    "dreamland.local",
    "dreamland.backoffice",
    "ledger",
    "rewards",
    "conversion",
    "dreamland.world",
    "dreamland.staff.apps.StaffConfig",
]
MIDDLEWARE = [
    "dreamland.lib.api.request_id.RequestIdMiddleware",
    "dreamland.lib.api.log.CallLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "dreamland.lib.content_security.ContentSecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "dreamland.staff.sessions.StaffSessionMiddleware",
    "dreamland.lib.trail.actor.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "dreamland.urls"
WSGI_APPLICATION = "dreamland.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: every wait has a limit ----------------------------------------------------------------------------

STATEMENT_TIMEOUT_MS = env.int("STATEMENT_TIMEOUT_MS", default=30_000)
LOCK_TIMEOUT_MS = env.int("LOCK_TIMEOUT_MS", default=5_000)
IDLE_IN_TRANSACTION_TIMEOUT_MS = env.int("IDLE_IN_TRANSACTION_TIMEOUT_MS", default=60_000)
DATABASE_CONNECT_TIMEOUT_SECONDS = 5
DATABASE_POOL_MAX_SIZE = env.int("DATABASE_POOL_MAX_SIZE", default=0)  # 0: no pool; web processes set it
DATABASE_POOL_WAIT_SECONDS = env.int("DATABASE_POOL_WAIT_SECONDS", default=5)

# `manage.py` fills DATABASE_URL in with the embedded server's. The default host cannot exist, and says why.
DATABASE_URL_UNSET = "postgres://dreamland@database-url-is-not-set.invalid/dreamland"
DATABASE_URL = env.str("DATABASE_URL", default="") or DATABASE_URL_UNSET
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    # One-statement ledger writes gain about half from prepared statements; Django prepares nothing unasked.
    "server_side_binding": True,
    "prepare_threshold": 5,
    "connect_timeout": DATABASE_CONNECT_TIMEOUT_SECONDS,
    # The limits below are the server's: they say nothing where the server, or the road to it, has fallen silent.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": " ".join(
        [
            f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
            f"-c lock_timeout={LOCK_TIMEOUT_MS}",
            f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}",
            "-c timezone=UTC",
        ]
    ),
}
if DATABASE_POOL_MAX_SIZE:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": DATABASE_POOL_MAX_SIZE,
        "timeout": DATABASE_POOL_WAIT_SECONDS,
        # A pool that cannot connect doubles its pauses for so long; then the next call that wants a connection starts
        # it anew. So the database is found again seconds, not minutes, after it is back.
        "reconnect_timeout": 2,
    }

# --- Books -------------------------------------------------------------------------------------------------------

STATEMENT_MAX_LINES = 10_000
SEAL_ENTRIES = 10_000  # about how many entries a link of the chain holds
# Where the links of the chain are kept outside the database: a file that only grows; two functions given by their
# paths, of which one keeps a link and the other gives back what was kept.
LEDGER_ANCHOR_FILE = env.str("LEDGER_ANCHOR_FILE", default="")
LEDGER_ANCHOR_HOOK = env.str("LEDGER_ANCHOR_HOOK", default="")
LEDGER_ANCHOR_READER = env.str("LEDGER_ANCHOR_READER", default="")
ANCHOR_GRACE = timedelta(minutes=15)  # a seal that is older and not in an anchor is a finding
ANCHOR_LOOK_BACK = 100  # how many links an anchor is asked for first, when it is told what is new
VERIFY_STATEMENT_TIMEOUT_MS = env.int("VERIFY_STATEMENT_TIMEOUT_MS", default=3_600_000)
VERIFY_WORKERS = env.int("VERIFY_WORKERS", default=2)  # connections that share a verification
VERIFY_WORK_MEMORY_MIB = env.int("VERIFY_WORK_MEMORY_MIB", default=32)  # for a sort; what needs more goes to work files
VERIFY_FULL_EVERY = timedelta(hours=env.int("VERIFY_FULL_EVERY_HOURS", default=24))
VERIFY_TASK_SOFT_LIMIT_SECONDS = env.int("VERIFY_TASK_SOFT_LIMIT_SECONDS", default=6_600)

# --- Approvals: what one person asks and another one decides (ledger.approvals) ------------------------------------

APPROVAL_OPEN_FOR = timedelta(hours=env.int("APPROVAL_OPEN_HOURS", default=72))  # then a request expires
# By group, how much of an asset its members may ask for and decide at a time; of an asset that is not named: nothing.
# Which kinds they may ask for and decide say the permissions of the group. Superusers have a line of their own; they
# never decide what they asked either.
APPROVAL_LIMITS: dict[str, dict[str, dict[str, str]]] = env.json(
    "APPROVAL_LIMITS",
    default={
        "Finance operator": {"ask": {"USD": "10000", "DREAM": "10000"}},
        "Finance approver": {"decide": {"USD": "100000", "DREAM": "100000"}},
        "superuser": {"ask": {"USD": "1000000", "DREAM": "1000000"}, "decide": {"USD": "1000000", "DREAM": "1000000"}},
    },
)

# --- Time, language, files ---------------------------------------------------------------------------------------

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = ["dreamland.formats"]  # people of many zones read times: they say which
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / ".local" / "static")

# --- Security ----------------------------------------------------------------------------------------------------

PASSWORD_MIN_LENGTH = 12
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": PASSWORD_MIN_LENGTH}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not INSECURE_HTTP
# Only behind a proxy that always overwrites X-Forwarded-Proto and appends to X-Forwarded-For.
if BEHIND_TLS_PROXY := env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

# --- Signing in to the back-office -------------------------------------------------------------------------------

# Without it a password alone opens the back-office: for trying out on one's own machine.
STAFF_SECOND_FACTOR = env.bool("STAFF_SECOND_FACTOR", default=True)
STAFF_SESSION_IDLE = timedelta(minutes=env.int("STAFF_SESSION_IDLE_MINUTES", default=30))
STAFF_SESSION_AGE = timedelta(hours=env.int("STAFF_SESSION_AGE_HOURS", default=10))
STAFF_FACTOR_FRESH = timedelta(minutes=env.int("STAFF_FACTOR_FRESH_MINUTES", default=15))  # for money and rights
STAFF_SIGN_INS_KEPT = timedelta(days=366)
# How often one may try: (who, tries, seconds). An account from anywhere has more: else whoever knows its name could
# shut its owner out.
STAFF_SIGN_IN_LIMITS = [("address", 30, 900), ("account-and-address", 5, 900), ("account", 50, 3_600)]
SESSION_COOKIE_AGE = int(STAFF_SESSION_AGE.total_seconds())
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "dreamland_session"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
OTP_TOTP_ISSUER = "Dreamland"

# --- Back-office -------------------------------------------------------------------------------------------------

BACK_OFFICE_URL = "/admin/"
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Dreamland",
    "SITE_HEADER": "Dreamland",
    "SITE_SUBHEADER": "Back-office",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": None,  # there is no site but this one
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "dreamland.dashboard.icon"}],
    "STYLES": ["dreamland.dashboard.style"],
    "DASHBOARD_CALLBACK": "dreamland.dashboard.show",
    "ACCOUNT": {"navigation": [{"title": "Your sign-in", "link": f"{BACK_OFFICE_URL}my-sign-in/"}]},
    "SIDEBAR": {"show_search": True, "navigation": "dreamland.dashboard.menu"},
}
ADMIN_STATEMENT_LINES = 500  # of an account over a time; where there are more, hours and days are shown
EXPORT_DIRECT_ROWS = 10_000  # a list with more is written by a worker
EXPORT_MAX_ROWS = 1_000_000  # of one file; a spreadsheet holds 1,048,576
EXPORT_CHUNK_ROWS = 2_000
EXPORT_PART_BYTES = 1024 * 1024
EXPORT_KEPT = timedelta(hours=24)
EXPORT_GIVEN_UP_AFTER = timedelta(hours=1)  # a file whose worker was killed is made anew
EXPORT_STATEMENT_TIMEOUT_MS = env.int("EXPORT_STATEMENT_TIMEOUT_MS", default=300_000)
EXPORTS_PER_PERSON = 5  # that somebody may wait for
TASK_FAILURES_KEPT = timedelta(days=30)
ADMIN_DAYS_SAMPLED = 10_000  # newest player days that are looked at for the games that fill them

# --- HTTP API ----------------------------------------------------------------------------------------------------

API_MAX_BODY_BYTES = 64 * 1024
API_MAX_BATCH_BODY_BYTES = 1024 * 1024
API_MAX_JSON_DEPTH = 8
API_PAGE_SIZE = 50
API_MAX_PAGE_SIZE = 200
API_RETRY_AFTER_SECONDS = 5
# How often one credential may call, over seconds and over minutes: (name, calls, seconds). They are wide: they stop a
# loop that ran wild, not a busy game, which has batches besides.
API_LIMITS = {
    "game": [
        ("burst", env.int("API_GAME_BURST_LIMIT", default=1_000), 5),
        ("sustained", env.int("API_GAME_SUSTAINED_LIMIT", default=30_000), 300),
    ],
    "player": [
        ("burst", env.int("API_PLAYER_BURST_LIMIT", default=50), 5),
        ("sustained", env.int("API_PLAYER_SUSTAINED_LIMIT", default=600), 300),
    ],
    "staff": [
        ("burst", env.int("API_STAFF_BURST_LIMIT", default=200), 5),
        ("sustained", env.int("API_STAFF_SUSTAINED_LIMIT", default=3_000), 300),
    ],
    # Callers without a credential that is good, each by his address: whoever guesses keys is slowed down.
    "stranger": [
        ("burst", env.int("API_STRANGER_BURST_LIMIT", default=50), 5),
        ("sustained", env.int("API_STRANGER_SUSTAINED_LIMIT", default=600), 300),
    ],
}
API_LIMITS_URL = env.str("REDIS_URL", default="") or "redis://redis-url-is-not-set.invalid/0"
API_LIMITS_TIMEOUT_SECONDS = 0.1  # for counting one call; then it passes uncounted
API_LIMITS_PAUSE_SECONDS = 2  # how long calls pass uncounted before one of them asks Valkey again
DATA_UPLOAD_MAX_MEMORY_SIZE = API_MAX_BATCH_BODY_BYTES

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rewards.auth.GameKeyAuthentication",
        "rewards.auth.PlayerTokenAuthentication",
        "rewards.auth.StaffAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["dreamland.lib.api.permissions.Undeclared"],
    "DEFAULT_PARSER_CLASSES": ["dreamland.lib.api.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "dreamland.lib.api.negotiation.Negotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "dreamland.lib.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "dreamland.lib.api.schema.Contract",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Dreamland rewards",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/v1/",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "dreamland.lib.api.contract.complete"],
    "SERVERS": [{"url": "/"}],
    "PATH_CONVERTER_OVERRIDES": {
        "uuid": {"type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
    },
    "ENABLE_DJANGO_DEPLOY_CHECK": False,  # tests and CI check the contract; a deployment need not
}

# --- Player tokens: signed by the identity service, verified here -------------------------------------------------

# By `kid`: {"2026-11": {"algorithm": "EdDSA", "key": "-----BEGIN PUBLIC KEY-----..."}}; also RS256, and HS256 secrets.
PLAYER_TOKEN_KEYS: dict[str, dict[str, str]] = json.loads(env.str("PLAYER_TOKEN_KEYS", default="") or "{}")
if ENVIRONMENT == "local" and not PLAYER_TOKEN_KEYS:  # for `manage.py create_player_token`
    LOCAL_TOKEN_SECRET = hashlib.sha256(f"player tokens of {SECRET_KEY}".encode()).hexdigest()
    PLAYER_TOKEN_KEYS = {"local": {"algorithm": "HS256", "key": LOCAL_TOKEN_SECRET}}
PLAYER_TOKEN_ISSUER = env.str("PLAYER_TOKEN_ISSUER", default="https://identity.dreamland.example")
PLAYER_TOKEN_AUDIENCE = env.str("PLAYER_TOKEN_AUDIENCE", default="dreamland-rewards")
PLAYER_TOKEN_LIFETIME = timedelta(minutes=15)  # longer ones are refused
PLAYER_TOKEN_LEEWAY = timedelta(seconds=10)  # between the identity service's clock and ours

# --- Personal data: sealed, each player's under a key of his own ---------------------------------------------------

# Who keeps the keys that wrap those: "file", or the path of a class (dreamland.lib.vault.providers.KeyProvider).
VAULT_KEY_PROVIDER = env.str("VAULT_KEY_PROVIDER", default="file")
VAULT_KEY_DIR = env.str("VAULT_KEY_DIR", default="")
VAULT_REWRAP_CHUNK = 200  # keys that a newer epoch takes over in one transaction
# A file outside the database and its backups: whom to erase again after a restore. Empty: no list is kept.
ERASURE_LIST = env.str("ERASURE_LIST", default="")
# What is kept of an erased player who was ever paid or is owed anything, and until when: the last day of the year that
# lies so many years after the last payment. What the law of the region asks for; 0: nothing is kept.
RETENTION_FIELDS = ["name", "country"]
RETENTION_YEARS = env.int("RETENTION_YEARS", default=10)
RETENTION_BASIS = env.str("RETENTION_BASIS", default="tax law: to whom something was paid")
FORGET_CHUNK = 1_000  # of what is past its date, destroyed in one transaction

# --- Wins --------------------------------------------------------------------------------------------------------

DAILY_CAP = Decimal(5)  # DREAM a player may win on one local day
WIN_LATE_LIMIT = timedelta(hours=env.int("WIN_LATE_LIMIT_HOURS", default=72))
WIN_FUTURE_LIMIT = timedelta(seconds=env.int("WIN_FUTURE_LIMIT_SECONDS", default=120))
DAYS_KEPT_IN_SIGHT = timedelta(days=4)  # beyond WIN_LATE_LIMIT: a neighbouring day, whatever the zones were
WINS_PER_BATCH = 1_000
VOIDS_PER_CHUNK = 200  # wins of a leaked key that are taken back in one transaction
VOIDS_PER_REQUEST = 5_000  # wins that one person asks to take back and another one approves: one transaction
SERVICE_ATTEMPTS = 3  # how often a use case is tried again after a lost race, before it answers "unavailable"

# --- Conversion --------------------------------------------------------------------------------------------------

# Who is asked, in this order; the next one only where the one before cannot be reached. "fixed", "http", or the path
# of a class (conversion.quotes.Provider).
RATES_OF_CENTRE = "dreamland.world.rates.CentreRates"
RATE_PROVIDERS = env.list("RATE_PROVIDERS", default=["fixed"] if REGION in {"", "centre"} else [RATES_OF_CENTRE])
RATE_FIXED_PRICE = env.str("RATE_FIXED_PRICE", default="0.15")  # USD for one DREAM
RATE_HTTP_URL = env.str("RATE_HTTP_URL", default="")
RATE_HTTP_TOKEN = env.str("RATE_HTTP_TOKEN", default="")
RATE_HTTP_CONNECT_TIMEOUT_SECONDS = env.float("RATE_HTTP_CONNECT_TIMEOUT_SECONDS", default=2.0)
RATE_HTTP_READ_TIMEOUT_SECONDS = env.float("RATE_HTTP_READ_TIMEOUT_SECONDS", default=5.0)
RATE_HTTP_TOTAL_TIMEOUT_SECONDS = env.float("RATE_HTTP_TOTAL_TIMEOUT_SECONDS", default=15.0)
RATE_HTTP_ATTEMPTS = env.int("RATE_HTTP_ATTEMPTS", default=3)
RATE_HTTP_WAIT_SECONDS = env.float("RATE_HTTP_WAIT_SECONDS", default=0.2)  # before the second attempt, and the jitter
RATE_HTTP_WAIT_MAX_SECONDS = env.float("RATE_HTTP_WAIT_MAX_SECONDS", default=3.0)
RATE_HTTP_MAX_BYTES = 64 * 1024
RATE_MIN = env.str("RATE_MIN", default="0.0001")
RATE_MAX = env.str("RATE_MAX", default="1000")
RATE_MAX_AGE = timedelta(minutes=env.int("RATE_MAX_AGE_MINUTES", default=120))
RATE_CLOCK_TOLERANCE = timedelta(seconds=env.int("RATE_CLOCK_TOLERANCE_SECONDS", default=120))  # a quote from "later"
RATE_MAX_JUMP = env.str("RATE_MAX_JUMP", default="0.5")  # share of the last accepted rate
# A chunk of a run holds its players' wallets for about so long, and their next wins wait for it (docs/performance.md).
CONVERSION_CHUNK_MS = env.int("CONVERSION_CHUNK_MS", default=20)
CONVERSION_PLAYERS_PER_CHUNK_LEAST = 100  # the first chunk; then the time of each tells the size of the next
CONVERSION_PLAYERS_PER_CHUNK = env.int("CONVERSION_PLAYERS_PER_CHUNK", default=1_000)  # at most
CONVERSION_HOURS_PER_TICK = env.int("CONVERSION_HOURS_PER_TICK", default=96)
CONVERSION_RETRIES_PER_TICK = env.int("CONVERSION_RETRIES_PER_TICK", default=24)  # hours that waited before
CONVERSION_FETCHES_PER_RUN = env.int("CONVERSION_FETCHES_PER_RUN", default=24)  # rates asked for in one go
CONVERSION_BROKEN_PLAYERS_PER_RUN = env.int("CONVERSION_BROKEN_PLAYERS_PER_RUN", default=20)  # then the run gives up
CONVERSION_PLAYERS_PER_RANGE = env.int("CONVERSION_PLAYERS_PER_RANGE", default=5_000)  # what one helper takes at a time
CONVERSION_HELP_EXPIRES_SECONDS = 600  # a helper's message that is older finds the work done
# No win is later than this for a run that could take it: what is still pending then is dust (docs/decisions/0008).
CONVERSION_LATE_WINDOW = WIN_LATE_LIMIT + timedelta(days=1)
RECONCILIATION_MAX_BYTES = 64 * 2**20  # of a provider's statement
RECONCILIATION_MAX_LINES = 250_000
RECONCILIATION_MAX_PROBLEMS = 20  # of a file that are named before the rest is left unread
CONVERSION_HOURS_PER_COMMAND = 8_784  # `manage.py convert --range`: a leap year
CONVERSION_SETTLE_DELAY = timedelta(seconds=env.int("CONVERSION_SETTLE_SECONDS", default=0))

# --- Celery: a doorbell. Nothing about money depends on a message arriving, or arriving once ---------------------

CELERY_BROKER_URL = env.str("REDIS_URL", default="") or "redis://redis-url-is-not-set.invalid/0"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 1_500
CELERY_TASK_TIME_LIMIT = 1_800
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 7_200}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    # hour="*" and not a number: numeric hours pass a filter in django-celery-beat 2.9 that has lost tasks.
    "convert the hour that ended": {
        "task": "conversion.convert_due_hours",
        "schedule": crontab(minute="0", hour="*"),
        "options": {"expires": 3_000},
    },
    "count days and seal the journal": {
        "task": "ledger.close_books",
        "schedule": crontab(minute="*/5", hour="*"),
        "options": {"expires": 240},
    },
    "verify what is new": {
        "task": "ledger.verify_books",
        "schedule": crontab(minute="20", hour="*"),
        "options": {"expires": 3_000},
    },
    "make the files that were asked for": {
        "task": "backoffice.make_exports",
        "schedule": crontab(minute="*/2", hour="*"),
        "options": {"expires": 110},
    },
    "forget what is past its time": {
        "task": "staff.forget",
        "schedule": crontab(minute="40", hour="*"),
        "options": {"expires": 3_000},
    },
    "destroy what was kept of erased players": {
        "task": "rewards.forget_retained",
        "schedule": crontab(minute="50", hour="*"),
        "options": {"expires": 3_000},
    },
    "sweep for hours that still wait": {
        "task": "conversion.convert_due_hours",
        "schedule": crontab(minute="5-55/10", hour="*"),
        "options": {"expires": 540},
    },
}

if REGION == "centre":
    CELERY_BEAT_SCHEDULE["publish the rates of the hours that ended"] = {
        "task": "world.publish_rates",
        "schedule": crontab(minute="*/5", hour="*"),
        "options": {"expires": 240},
    }
elif REGION:
    CELERY_BEAT_SCHEDULE["tell the centre"] = {
        "task": "world.tell_centre",
        "schedule": crontab(minute="*/5", hour="*"),
        "options": {"expires": 240},
    }

# --- Metrics -----------------------------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # empty: /metrics answers this machine only
METRICS_READINGS = ["ledger.metrics.readings", "rewards.metrics.readings", "conversion.metrics.readings"]
METRICS_CACHE_SECONDS = env.int("METRICS_CACHE_SECONDS", default=30)  # figures from the database are read no oftener
METRICS_STATEMENT_TIMEOUT_MS = env.int("METRICS_STATEMENT_TIMEOUT_MS", default=2_000)  # then a figure is left out
METRICS_HOURS_COUNTED = 10_000  # hours without a finished run, of each kind: more than a year of outage

# --- Logs --------------------------------------------------------------------------------------------------------

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
API_OBSERVERS = ["rewards.metrics.observe"]
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "dreamland.lib.logs.json_formatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # One line for each outgoing call tells nothing that its caller does not log better.
        "httpx2": {"level": "WARNING"},
        # Django's own handlers write text, and a mail of a crash would hold the request.
        "django": {"handlers": [], "level": LOG_LEVEL},
        # Every call has its line, also one that crashed (dreamland.lib.api.log); these would say it again, with paths,
        # queries and hosts as they were sent.
        "django.request": {"level": "CRITICAL"},
        "django.server": {"handlers": [], "level": "CRITICAL"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
