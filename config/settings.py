"""Settings of the project, and the only place that reads the environment.

Every variable is described in .env.example. The process environment wins over the file .env.
"""

import os
from pathlib import Path

from django.utils.csp import CSP

from django_compose_stack.env import Env

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_file(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="insecure-key-of-a-development-server" if DEBUG else "")
env.require(
    "SECRET_KEY",
    SECRET_KEY,
    'It is required while DEBUG is off. Make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"',
)
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS")
env.require(
    "ALLOWED_HOSTS",
    ALLOWED_HOSTS or DEBUG,
    "While DEBUG is off it names the hosts this site answers to, such as example.com,www.example.com",
)
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
# Where Compose publishes the site, which cannot be seen from inside the container. Empty outside of Compose.
WEB_HOST = env.str("WEB_HOST", default="")
WEB_PORT = env.int("WEB_PORT", default=0, high=65535)
SHARED_AT = env.str("SHARED_AT", default="")
if WEB_PORT:
    DEVSERVER_URL = f"http://{'127.0.0.1' if WEB_HOST in ('', '0.0.0.0') else WEB_HOST}:{WEB_PORT}/"

# One app a folder. `make app NAME=blog` adds yours after the last line that begins with "apps.
INSTALLED_APPS = [
    # Ahead of staticfiles, because all three have a `runserver` and the first one counts.
    "django_compose_stack",
    "django_fast_reload",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "apps.accounts",
    "apps.pages",
]

MIDDLEWARE = [
    # First, so that a probe needs no allowed host and is not redirected to https.
    "django_compose_stack.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if DEBUG:
    # For the dashboard: the requests of late, and a page with a button where a request fails for want of a migration.
    MIDDLEWARE[1:1] = [
        "django_compose_stack.dashboard.requests.RequestsMiddleware",
        "django_compose_stack.dashboard.report.ReportMiddleware",
    ]
else:
    # In development runserver offers the static files itself.
    MIDDLEWARE.insert(2, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Requests at a time: replicas of the web service, by processes of each, by threads of a process. gunicorn.conf.py
# starts that many, and each thread may hold one database connection.
WEB_REPLICAS = env.int("WEB_REPLICAS", default=1, low=1, high=1000)
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=0, high=1000) or min(os.cpu_count() or 1, 8)
WEB_THREADS = 4

# Data: DATABASE_URL, else the POSTGRES_* variables, else a file, so that manage.py works with nothing configured.
if database := env.database("DATABASE_URL"):
    DATABASES = {"default": database}
elif postgres_host := env.str("POSTGRES_HOST", default=""):
    DATABASES = {
        "default": {
            # Django's own; in development it waits for a server that is still starting.
            "ENGINE": "django_compose_stack.postgresql" if DEBUG else "django.db.backends.postgresql",
            "HOST": postgres_host,
            "PORT": env.int("POSTGRES_PORT", default=5432, low=1, high=65535),
            "NAME": env.str("POSTGRES_DB", default="app"),
            "USER": env.str("POSTGRES_USER", default="app"),
            "PASSWORD": env.str("POSTGRES_PASSWORD", default="app"),
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": BASE_DIR / "db.sqlite3",
            # Writers wait for each other instead of failing with "database is locked".
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
        }
    }
if "postgresql" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
    # Not in development, where the server has a thread a request: each would leave a connection behind.
    if not DEBUG:
        # timeout: seconds that a request waits for a connection before it is answered with 503.
        DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": WEB_THREADS, "timeout": 5}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_URL = "media/"
MEDIA_ROOT = BASE_DIR / "media"

# The processes of a production share what they cache; `migrate` makes the table.
if not DEBUG:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}

MAILERS = {"default": env.mailer("EMAIL_URL", default="consolemail://" if DEBUG else "smtp://localhost:25")}

# Security: only what this site serves itself may run in its pages; https everywhere unless HTTPS is off.
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
HTTPS = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # A year; five minutes where https has a port of its own: browsers keep it by name, and ask for https on all ports.
    is_usual_port = env.int("HTTPS_PORT", default=443, low=1, high=65535) == 443
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if is_usual_port else 300)
    # Other names below this one may be other people's, or not ready: only their owner can tell.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=False)
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

if not DEBUG:
    # Django's default prints nothing without DEBUG, and mails errors to ADMINS.
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {"django": {"handlers": ["console"], "level": "INFO", "propagate": False}},
    }
