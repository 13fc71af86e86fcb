ARG PYTHON_VERSION=3.12

FROM python:${PYTHON_VERSION}-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/venv/bin:$PATH \
    VIRTUAL_ENV=/opt/venv
WORKDIR /app
# Outside /app, because the bind mount of development would hide it there.
RUN python -m venv --without-pip /opt/venv
EXPOSE 8000

# uv, at the locked version, installs the requirements and stays out of the production image.
FROM base AS uv
COPY requirements/dev.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^uv==/,/[^\\]$/p' dev.txt >uv.txt && \
    pip install --disable-pip-version-check --root-user-action=ignore --target=/uv -r uv.txt

# Production: the locked requirements, the code, its static files under hashed names, an ordinary user, Gunicorn.
FROM base AS prod
RUN --mount=type=cache,target=/root/.cache/uv --mount=from=uv,source=/uv,target=/uv \
    --mount=type=bind,source=.stack,target=.stack --mount=type=bind,source=requirements,target=requirements \
    /uv/bin/uv pip sync --require-hashes --link-mode=copy --compile-bytecode requirements/prod.txt
# A new volume takes the owner of this folder, so that the server can write uploads.
RUN useradd --uid 10001 --no-create-home app && \
    install -d -o app -g app media
COPY . .
ENV DEBUG=false
RUN python -m compileall -q -x /tests/ . && \
    SECRET_KEY=only-for-this-line ALLOWED_HOSTS=localhost python manage.py collectstatic --noinput
USER 10001
HEALTHCHECK --start-period=60s --start-interval=1s --interval=10s --timeout=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=9)"]
CMD ["gunicorn"]
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION}

# Development: bind-mount the checkout over /app. It comes last, so `docker build .` makes this one.
FROM base AS dev
RUN --mount=type=cache,target=/root/.cache/uv --mount=from=uv,source=/uv,target=/uv \
    --mount=type=bind,source=.stack,target=.stack --mount=type=bind,source=requirements,target=requirements \
    /uv/bin/uv pip sync --require-hashes --link-mode=copy --compile-bytecode requirements/dev.txt && \
    cp requirements/dev.txt /opt/venv/ && \
    # The owner of the checkout installs into this folder later. In a separate layer, chmod would copy all of it.
    chmod -R a+rwX /opt/venv
RUN useradd --uid 10001 --create-home app && \
    chown app:app /app && chmod -R a+rwX /home/app
# Outside /opt/venv, because it also repairs a broken environment.
COPY --chmod=755 <<'EOF' /usr/local/bin/as-owner
#!/bin/sh
# as-owner CMD...: runs CMD in a development container as the owner of the checkout, on the locked requirements.
# The files it writes then belong to the person who cloned the project, with no uid to configure. On a rootless engine
# the owner appears as root, which is right.
set -eu
cd /app
owner=$(stat -c %u .)
if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
    # Programs look up their user by uid, and this one is not in /etc/passwd yet.
    getent passwd "$owner" >/dev/null || echo "dev:x:$owner:$(stat -c %g .)::/home/app:/bin/bash" >>/etc/passwd
    HOME=$(getent passwd "$owner" | cut -d: -f6)
    export HOME
    exec setpriv --reuid="$owner" --regid="$(stat -c %g .)" --clear-groups "$0" "$@"
fi
# Where the image is older than the lock file, install the difference, so that a pull needs no rebuild.
if ! cmp -s requirements/dev.txt /opt/venv/dev.txt; then
    echo "requirements/dev.txt has changed since the image was built: installing." >&2
    uv pip sync --quiet requirements/dev.txt && cp requirements/dev.txt /opt/venv/
fi
exec "$@"
EOF

COPY --chown=app:app . .
ENV DEBUG=true \
    UV_CACHE_DIR=/tmp/uv
ENTRYPOINT ["as-owner"]
CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
