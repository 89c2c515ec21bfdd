FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src

# Every pinned release as a wheel, checked by hash. The lock file also pins what only development needs; that stays in this stage.
COPY requirements.lock ./
RUN pip download --quiet --require-hashes --only-binary :all: --dest /wheels --requirement requirements.lock

COPY pyproject.toml LICENSE ./
COPY domain domain
COPY events events
COPY service service
RUN pip install --quiet --upgrade --no-index --find-links /wheels setuptools \
 && pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m venv --without-pip /opt/noces \
 && pip --python /opt/noces/bin/python install --quiet --no-index --find-links /wheels noces


FROM python:3.11-slim

LABEL org.opencontainers.image.title="Noces" \
      org.opencontainers.image.description="An event-sourced state machine for technology partnerships" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN groupadd --gid 10001 noces \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/noces --shell /usr/sbin/nologin noces \
 && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/noces

COPY --from=build /opt/noces /opt/noces

ENV PATH="/opt/noces/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NOCES_DATABASE="sqlite:////var/lib/noces/noces.db"

WORKDIR /var/lib/noces
VOLUME ["/var/lib/noces"]
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["noces"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
