# The operator (imagecopy) and the simulator of the cloud (ims-simulator). Built by `make image`, and for releases by
# .github/workflows/image.yaml. Needs nothing but the two images below and PyPI; works with docker, podman and buildah.
#
# Neither base is pinned by digest here, as a digest has to come from the registry and not from us: a release passes
# PYTHON_IMAGE and UV_IMAGE with the digests it resolved, and writes them into the image's labels; Renovate
# (.github/renovate.json) pins them in this file at its first run and bumps them from then on.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9

FROM ${UV_IMAGE} AS uv

FROM ${PYTHON_IMAGE} AS builder
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_PROJECT_ENVIRONMENT=/opt/imagecopy \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_NO_PROGRESS=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
# Dependencies first: they change less often than the code does.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-install-project
COPY README.md LICENSE ./
COPY operator operator
COPY deploy/image/slim.py slim.py
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --no-editable \
 && /opt/imagecopy/bin/python slim.py packages "$(/opt/imagecopy/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 # Compiled by content and not by time, so that two builds agree and a read-only file system needs no cache.
 && /opt/imagecopy/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/imagecopy

FROM ${PYTHON_IMAGE} AS root
COPY --from=builder /opt/imagecopy /opt/imagecopy
COPY deploy/image/slim.py /tmp/slim.py
RUN PYTHONDONTWRITEBYTECODE=1 /opt/imagecopy/bin/python /tmp/slim.py python \
 && echo 'nonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin' >> /etc/passwd \
 && echo 'nonroot:x:65532:' >> /etc/group \
 && rm -rf /tmp/* /root/.cache /var/cache/apt/* /var/lib/apt/lists/* /var/log/*

# Flat, so that what was dropped above is really gone: no pip, no compiler, no cache.
FROM scratch
# hadolint ignore=DL3067
COPY --from=root / /
# PATH and locale are those of the base; nothing is written: /tmp is HOME for plugins of a kubeconfig.
ENV PATH=/opt/imagecopy/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
# 8080: /healthz, /readyz; 9090: /metrics
EXPOSE 8080 9090
ARG PYTHON_IMAGE
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="imagecopy-operator" \
      org.opencontainers.image.description="Copies private VM images on Huawei-type clouds, exactly once per ImageCopy object" \
      org.opencontainers.image.source="https://github.com/imagecopy/imagecopy-operator" \
      org.opencontainers.image.documentation="https://github.com/imagecopy/imagecopy-operator#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The ImageCopy authors" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
ENTRYPOINT ["imagecopy"]
CMD ["run"]
