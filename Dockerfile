# One image: the daemon, its integrations, rules, policy, dashboards and the lab.
# Run it with a read-only root, no capabilities, and one volume for the database:
#
#   docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges --tmpfs /tmp \
#     -v heliograph:/var/lib/heliograph -v ./config.yaml:/etc/heliograph/config.yaml:ro heliograph
#
# The base is pinned by tag. Whoever releases the image pins it by digest as well (docs/decisions/0005).

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
RUN python -m venv /opt/heliograph \
 && /opt/heliograph/bin/pip install --require-hashes --only-binary :all: -r requirements.lock \
 && pip install --require-hashes --only-binary :all: -r requirements-dev.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /opt/heliograph/bin/pip install --no-deps /wheel/*.whl \
 && /opt/heliograph/bin/python -m compileall -q /opt/heliograph/lib \
 && /opt/heliograph/bin/pip uninstall -q -y pip setuptools

FROM python:3.11.14-slim-bookworm
RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} + \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/heliograph \
 && install -d /etc/heliograph
COPY --from=build /opt/heliograph /opt/heliograph
COPY config.yaml /etc/heliograph/config.yaml
COPY rules /etc/heliograph/rules
COPY policy /etc/heliograph/policy
# docker build --build-arg REVISION=$(git rev-parse --short HEAD): heliograph_build_info shows it
ARG REVISION=""
ENV PATH=/opt/heliograph/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HELIOGRAPH_REVISION=$REVISION
USER 65532:65532
WORKDIR /var/lib/heliograph
VOLUME /var/lib/heliograph
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]
ENTRYPOINT ["heliograph"]
CMD ["run", "--config", "/etc/heliograph/config.yaml"]
