# Container engine, runtime, buildx, registry. A Docker that already works here
# is used as it is; otherwise our own runs on its own folders.
# shellcheck shell=bash

OWN_DOCKER_HOST="unix://$RUN/docker.sock"
OWN_DOCKER_CONFIG="$STACK_HOME/docker"

engine_is_ours() { [[ -e "$STACK_HOME/engine-is-ours" ]]; }

# Decided once a stack: whose engine it is must not change while it is up.
choose_engine() {
  if engine_is_ours || [[ -e "$RUN/engine-of-machine" ]]; then
    return
  fi
  if [[ "${DOCKER_HOST:-}" != "$OWN_DOCKER_HOST" ]] && docker_works; then
    printf '%s\n' "${DOCKER_HOST:-}" >"$RUN/engine-of-machine"
  else
    touch "$STACK_HOME/engine-is-ours"
  fi
}

use_engine() {
  export DOCKER_CONFIG="$OWN_DOCKER_CONFIG"
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  if engine_is_ours; then
    export DOCKER_HOST="$OWN_DOCKER_HOST"
  fi
}

start_containerd() {
  mkdir -p "$RUN/etc" "$RUN/containerd"
  write_containerd_config >"$RUN/etc/containerd.toml"
  write_certs_d
  start_daemon containerd "$(command -v containerd)" --config "$RUN/etc/containerd.toml"
}

containerd_answers() { ctr --address "$CONTAINERD_SOCKET" version; }

write_containerd_config() {
  cat <<TOML
version = 2
root = "$RUN/containerd/root"
state = "$RUN/containerd/state"
oom_score = 0

[grpc]
  address = "$CONTAINERD_SOCKET"

[plugins."io.containerd.internal.v1.opt"]
  path = "$RUN/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$STACK_REGISTRY/library/pause:$PAUSE_VERSION"
  # Kernels in small machines have no AppArmor and give no right to lower scores.
  restrict_oom_score_adj = true
  disable_apparmor = true
  max_concurrent_downloads = 6
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$CNI_PLUGINS"
    conf_dir = "$RUN/etc/cni"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$RUN/etc/certs.d"
TOML
}

# Every image name, of whatever registry, is looked up in ours and nowhere else.
write_certs_d() {
  local host
  for host in docker.io _default "$STACK_REGISTRY"; do
    mkdir -p "$RUN/etc/certs.d/$host"
    cat >"$RUN/etc/certs.d/$host/hosts.toml" <<TOML
server = "http://$STACK_REGISTRY"

[host."http://$STACK_REGISTRY"]
  capabilities = ["pull", "resolve", "push"]
TOML
  done
}

start_engine() {
  if ! engine_is_ours; then
    return
  fi
  rm -f "$RUN/docker.pid" # dockerd refuses to start over a stale one
  # A settings file of ours, also so that /etc/docker/daemon.json is not read. Many
  # uploads at once: those that a broken registry makes wait would block the others.
  cat >"$RUN/etc/dockerd.json" <<JSON
{
  "registry-mirrors": ["http://$STACK_REGISTRY"],
  "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "max-concurrent-uploads": 50,
  "max-concurrent-downloads": 20
}
JSON
  start_daemon dockerd "$(command -v dockerd)" \
    --config-file "$RUN/etc/dockerd.json" \
    --host "$OWN_DOCKER_HOST" \
    --data-root "$DATA/docker" \
    --exec-root "$RUN/docker" \
    --pidfile "$RUN/docker.pid" \
    --containerd "$CONTAINERD_SOCKET" \
    --cgroup-parent "/$CGROUP/engine"
}

ensure_buildx() {
  local plugin="$DOCKER_CONFIG/cli-plugins/docker-buildx"
  if [[ ! -e "$plugin" ]] && docker buildx version >/dev/null 2>&1; then
    return # one for all users is installed
  fi
  make_part buildx "$IMAGE_SUITE" "docker buildx from Debian $IMAGE_SUITE" "5 s" unpack_newer "$(debian_mirror)" docker-buildx
  ln -sfn "$(part_dir buildx "$IMAGE_SUITE")/docker-buildx" "$plugin"
}

# What tests pushed ends with their cluster; the base images stay.
forget_pushed_images() {
  local repositories="$DATA/registry/docker/registry/v2/repositories" settings="$STACK_HOME/registry.yml"
  if [[ ! -d "$repositories" ]]; then
    return
  fi
  find "$repositories" -mindepth 1 -maxdepth 1 ! -name library -exec rm -rf {} +
  write_registry_settings >"$settings"
  "$(registry_program)" garbage-collect "$settings" >"$STACK_HOME/log/registry-garbage.log" 2>&1 ||
    tell registry "its unused layers were not removed, see $STACK_HOME/log/registry-garbage.log"
  rm -f "$settings"
}

registry_program() { printf '%s\n' "$(part_dir debian-daemons "$(debian_codename)")/docker-registry"; }

write_registry_settings() {
  cat <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: "$DATA/registry"}
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
http: {addr: "$STACK_REGISTRY"}
YAML
}

start_registry() {
  local name=registry
  if ! is_running "$name" && registry_answers >/dev/null 2>&1; then
    fail "something else answers at $STACK_REGISTRY, where our registry belongs" "stop it first"
  fi
  mkdir -p "$DATA/registry" "$RUN/etc"
  write_registry_settings >"$RUN/etc/registry.yml"
  start_daemon "$name" "$(registry_program)" serve "$RUN/etc/registry.yml"
}
