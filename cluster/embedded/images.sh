# Base images, made from Debian packages under the names people know. They are
# in the engine (for a Dockerfile's FROM) and in the registry (for pods).
# shellcheck shell=bash

PAUSE_VERSION=3.10
PYTHON_VERSION=3.13
POSTGRES_VERSION=17
REDIS_VERSION=8
BASE_IMAGE="debian:$IMAGE_SUITE-slim"
IMAGE_LABEL=django-rollout.stack
IMAGES_DIR="$CLUSTER_DIR/embedded/images"
ALL_IMAGES=("$BASE_IMAGE" "python:$PYTHON_VERSION-slim" "postgres:$POSTGRES_VERSION" "redis:$REDIS_VERSION" "pause:$PAUSE_VERSION")

# The certificates that this machine trusts.
ca_bundle() { printf '%s\n' "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"; }

# What programs in an image need to reach this machine's package index: nothing
# on most machines.
package_index_env() {
  local name
  if [[ -n "${SSL_CERT_FILE:-}${PIP_CERT:-}${REQUESTS_CA_BUNDLE:-}" ]]; then
    for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE; do
      printf 'ENV %s="/etc/ssl/certs/ca-certificates.crt"\n' "$name"
    done
  fi
  for name in PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST; do
    if [[ -n "${!name:-}" ]]; then printf 'ENV %s="%s"\n' "$name" "${!name}"; fi
  done
}

base_version() {
  {
    cat "$IMAGES_DIR/base-hook" "$(ca_bundle)"
    package_index_env
    debian_mirror
  } | sha256sum | cut -c1-12
}

images_version() {
  {
    base_version
    find "$IMAGES_DIR" "$CLUSTER_DIR/embedded/pause" -type f | sort | xargs cat
    declare -f make_image
  } | sha256sum | cut -c1-12
}

bootstrap_debian() { # FOLDER MIRROR
  mmdebstrap --variant=minbase --include=ca-certificates \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --customize-hook="$IMAGES_DIR/base-hook" \
    "$IMAGE_SUITE" "$1/base.tar" "deb $2 $IMAGE_SUITE main"
}

pause_part() { printf '%s-%s\n' "$PAUSE_VERSION" "$(content_version "$CLUSTER_DIR/embedded/pause/main.go")"; }

build_pause() { # FOLDER
  (cd "$CLUSTER_DIR/embedded/pause" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$1/pause" .)
}

label_of() { # IMAGE: the version of ours that it is; "-" when it is not ours
  docker image inspect --format "{{or (index .Config.Labels \"$IMAGE_LABEL\") \"-\"}}" "$1" 2>/dev/null
}

# To be made? An image of that name that is not ours is the user's: it is kept.
wants_image() { # IMAGE VERSION
  local label
  label="$(label_of "$1")" || return 0
  [[ "$label" != - && "$label" != "$2" ]]
}

make_image() { # NAME:TAG VERSION
  local image="$1" version="$2" change=() line
  case "$image" in
    debian:*)
      while IFS= read -r line; do change+=(--change "$line"); done < <(package_index_env)
      docker import --change 'CMD ["bash"]' --change "LABEL $IMAGE_LABEL=$version" "${change[@]}" \
        "$(part_dir debian "$IMAGE_SUITE-$(base_version)")/base.tar" "$image"
      ;;
    pause:*)
      tar -C "$(part_dir pause "$(pause_part)")" -c pause |
        docker import --change 'ENTRYPOINT ["/pause"]' --change "LABEL $IMAGE_LABEL=$version" - "$image"
      ;;
    *)
      local name argument
      for name in http_proxy https_proxy no_proxy; do
        if [[ -n "${!name:-}" ]]; then change+=(--build-arg "$name"); fi
      done
      argument="$(tr '[:lower:]' '[:upper:]' <<<"${image%%:*}")_VERSION"
      docker buildx build --load --network host --tag "$image" \
        --label "$IMAGE_LABEL=$version" \
        --build-arg "BASE=$BASE_IMAGE" --build-arg "$argument=${!argument}" "${change[@]}" \
        "$IMAGES_DIR/${image%%:*}"
      ;;
  esac
}

# The registry is requested by the id that was pushed last, kept beside its storage.
is_pushed() { # NAME:TAG
  local id
  id="$(docker image inspect --format '{{.Id}}' "$1")"
  [[ "$(cat "$DATA/registry/pushed-${1/:/-}" 2>/dev/null)" == "$id" ]] &&
    [[ "$(fetch "http://$STACK_REGISTRY/v2/library/${1%%:*}/tags/list" 2>/dev/null)" == *"\"${1#*:}\""* ]]
}

push_image() { # NAME:TAG
  docker tag "$1" "$STACK_REGISTRY/library/$1"
  docker push "$STACK_REGISTRY/library/$1"
  docker image rm "$STACK_REGISTRY/library/$1"
  docker image inspect --format '{{.Id}}' "$1" >"$DATA/registry/pushed-${1/:/-}"
  # A running node would go on with what it has under this name.
  ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io images rm \
    "docker.io/library/$1" "$STACK_REGISTRY/library/$1" || true
}

ensure_images() {
  local version image
  version="$(images_version)"
  for image in "${ALL_IMAGES[@]}"; do
    if wants_image "$image" "$version"; then
      case "$image" in
        debian:*)
          make_part debian "$IMAGE_SUITE-$(base_version)" "Debian $IMAGE_SUITE by mmdebstrap" "15 s" \
            bootstrap_debian "$(debian_mirror)"
          ;;
        pause:*)
          make_part pause "$(pause_part)" "the pods' pause program" "5 s" build_pause
          ;;
      esac
      step "${image%%:*}" "image $image" "15 s" make_image "$image" "$version"
    fi
    if ! is_pushed "$image"; then
      step "${image%%:*}" "push of $image to $STACK_REGISTRY" "5 s" push_image "$image"
    fi
  done
}
