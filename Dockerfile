# The images that steps and the model server run in, a target each: data, serving, tfx.
# `mlops images build` builds them, and so does `docker build --target tfx .`. Addresses that are downloaded from are
# arguments; behind a proxy with its own certificates, put them into `ca-bundle.crt` in this folder.
# checkov:skip=CKV_DOCKER_2: steps end by themselves, and the platform probes the server (kustomize/base)
# checkov:skip=CKV_DOCKER_7: the tag of the base image is in its argument
ARG BASE_IMAGE=python:3.11-slim
ARG TENSORFLOW_SERVING_IMAGE=tensorflow/serving:2.16.1

FROM ${BASE_IMAGE} AS tools
ARG UV_VERSION=0.13.9
ARG PACKAGE_INDEX=
ENV PIP_INDEX_URL=${PACKAGE_INDEX} PIP_CERT=/build/ca-bundle.crt PIP_ROOT_USER_ACTION=ignore \
    UV_DEFAULT_INDEX=${PACKAGE_INDEX} SSL_CERT_FILE=/build/ca-bundle.crt UV_HTTP_TIMEOUT=300 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/opt/venv PATH=/build/uv/bin:$PATH
WORKDIR /build
# The star makes the certificates optional.
COPY infra/images/install.sh ca-bundle*.crt ./
RUN if [ ! -e ca-bundle.crt ]; then cp /etc/ssl/certs/ca-certificates.crt ca-bundle.crt; fi \
    && python3 -m pip install --no-cache-dir --disable-pip-version-check --target uv "uv==${UV_VERSION}"

# What each group installs, and its SBOM without serial number and time, so that the same packages give the same bytes.
# Exported as requirements, because `uv sync` downloads from the addresses in uv.lock and ignores mirrors.
FROM tools AS locked
COPY pyproject.toml uv.lock ./
COPY localrun/pyproject.toml localrun/
RUN for group in data serving tensorflow tfx; do \
      set -e; export="uv export --frozen --quiet --no-default-groups --no-emit-workspace --group ${group}"; \
      ${export} --no-header --output-file "${group}.txt" >/dev/null; \
      ${export} --preview-features sbom-export --format cyclonedx1.5 >"${group}.json"; \
      sed -i '/^  "serialNumber"/d; /^    "timestamp"/d' "${group}.json"; \
    done

FROM tools AS installed-data
COPY --from=locked /build/data.txt .
RUN sh install.sh data.txt

# TensorFlow is most of two images: they share its layer.
FROM tools AS installed-tensorflow
COPY --from=locked /build/tensorflow.txt .
RUN sh install.sh tensorflow.txt

FROM installed-tensorflow AS installed-serving
COPY --from=locked /build/serving.txt .
RUN sh install.sh serving.txt

# Some packages of TFX are built from source; the compiler stays in this stage, so its version does not matter.
FROM installed-tensorflow AS installed-tfx
ARG DEBIAN_MIRROR=
# hadolint ignore=DL3008
RUN if [ -n "${DEBIAN_MIRROR}" ]; then \
      find /etc/apt \( -name '*.list' -o -name '*.sources' \) -exec sed -i "s|https\?://[^/ ]*|${DEBIAN_MIRROR}|" {} +; \
    fi && apt-get update && apt-get install --yes --no-install-recommends g++ python3-dev && rm -rf /var/lib/apt/lists/*
COPY --from=locked /build/tfx.txt .
RUN sh install.sh tfx.txt

# The sources, readable by every user whatever the checkout's umask was, with bytecode that is not checked against them.
FROM ${BASE_IMAGE} AS sources
WORKDIR /app
COPY . .
RUN rm -f ca-bundle.crt && chmod -R u=rwX,go=rX . \
    && python3 -m compileall -q --invalidation-mode unchecked-hash \
        adapters artifacts components core localrun/src mlops pipelines problems serving training usecases

# No file belongs to the image's user, since a platform may change its id; a read-only root with a writable /tmp is enough.
FROM ${BASE_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app:/app/localrun/src PYTHONUNBUFFERED=1 LANG=C.UTF-8 TZ=UTC \
    HOME=/tmp TMPDIR=/tmp USER=mlops MLOPS_HOME=/tmp/mlops MPLCONFIGDIR=/tmp/matplotlib TF_CPP_MIN_LOG_LEVEL=2
LABEL org.opencontainers.image.title="ML in production" org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
USER 10001:10001

FROM runtime AS data
COPY --from=installed-data /opt/new /
COPY --from=locked /build/data.json /sbom.json
COPY --from=sources /app /app

FROM runtime AS runtime-tensorflow
COPY --from=installed-tensorflow /opt/new /

FROM runtime-tensorflow AS serving
COPY --from=installed-serving /opt/new /
COPY --from=locked /build/serving.json /sbom.json
COPY --from=sources /app /app
EXPOSE 8501

FROM runtime-tensorflow AS tfx
COPY --from=installed-tfx /opt/new /
COPY --from=locked /build/tfx.json /sbom.json
COPY --from=sources /app /app

# The other engine of the model server (kustomize/components/tensorflow-serving): our image plus TensorFlow Serving's binary.
# Built only when asked for: docker build --target serving-tensorflow .
FROM ${TENSORFLOW_SERVING_IMAGE} AS tensorflow-serving

FROM serving AS serving-tensorflow
COPY --from=tensorflow-serving /usr/bin/tensorflow_model_server /usr/local/bin/
