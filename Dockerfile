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
COPY requirements-dev.txt .
RUN --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^uv==/,/[^\\]$/p' requirements-dev.txt >uv.txt && \
    pip install --disable-pip-version-check --root-user-action=ignore --target=/uv -r uv.txt

# Production: the locked requirements, the code, its static files under hashed names, an ordinary user, Gunicorn.
FROM base AS prod
RUN --mount=type=cache,target=/root/.cache/uv --mount=from=uv,source=/uv,target=/uv \
    --mount=type=bind,source=requirements-prod.txt,target=requirements-prod.txt \
    /uv/bin/uv pip sync --link-mode=copy --compile-bytecode requirements-prod.txt
# A new volume takes the folder's owner over, so that uploads can be written.
RUN useradd --uid 10001 --no-create-home app && \
    install -d -o app -g app media
COPY . .
ENV DEBUG=false
RUN python -m compileall -q . && \
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
    --mount=type=bind,source=requirements-dev.txt,target=requirements-dev.txt \
    /uv/bin/uv pip sync --link-mode=copy --compile-bytecode requirements-dev.txt && \
    cp requirements-dev.txt /opt/venv/
# Whoever owns the checkout may install into the environment while it runs.
RUN useradd --uid 10001 --create-home app && \
    chown app:app /app && chmod -R a+rwX /opt/venv /home/app
COPY bin/as-owner /usr/local/bin/
COPY --chown=app:app . .
ENV DEBUG=true \
    UV_CACHE_DIR=/tmp/uv
ENTRYPOINT ["as-owner"]
CMD ["python", "manage.py", "runserver", "0.0.0.0:8000"]
