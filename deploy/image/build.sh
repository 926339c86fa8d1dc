#!/bin/sh
# Builds the container image with docker, podman or buildah. Arguments are options of the builder.
#   IMAGE    name and tag (default: those of the chart)
#   BUILDER  docker, podman or buildah (default: the first that works); inside a container, buildah and podman may need
#            BUILDAH_ISOLATION=chroot
# Two builds of one commit with the same base images are identical: all times are the commit's (SOURCE_DATE_EPOCH).
set -eu
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
image=${IMAGE:-ghcr.io/imagecopy/imagecopy-operator:$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

works() {
    case $1 in
        docker) docker info >/dev/null 2>&1 ;;
        podman) podman info >/dev/null 2>&1 ;;
        buildah) buildah info >/dev/null 2>&1 ;;
    esac
}

builder=${BUILDER:-}
if [ -z "$builder" ]; then
    for candidate in docker podman buildah; do
        if works "$candidate"; then
            builder=$candidate
            break
        fi
    done
fi
if [ -z "$builder" ]; then
    echo "make image: none of docker, podman and buildah works here; \`docker info\` or \`podman info\` shows why" >&2
    exit 1
fi

set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$created" --tag "$image" "$@"
echo "==> building $image with $builder"
case $builder in
    docker) DOCKER_BUILDKIT=1 docker build --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "$@" . ;;
    podman) podman build --format oci --timestamp "$SOURCE_DATE_EPOCH" "$@" . ;;
    buildah) buildah build --format oci --timestamp "$SOURCE_DATE_EPOCH" "$@" . ;;
    *)
        echo "make image: BUILDER=$builder is not supported: use docker, podman or buildah" >&2
        exit 1
        ;;
esac
echo "==> built $image"
