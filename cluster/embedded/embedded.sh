# The embedded stack: the four verbs, for a Debian machine with nothing on it.
# shellcheck shell=bash

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# A machine has one stack: addresses, links, rules and cgroup are the same for all
# cache folders. This says whose it is.
OWNER_FILE=/run/django-rollout-stack

refuse_beside_another() {
  local home
  home="$(cat "$OWNER_FILE" 2>/dev/null || true)"
  if [[ -n "$home" && "$home" != "$STACK_HOME" && -n "$(daemons_of "$home/run")" ]]; then
    fail "a stack of another cache folder is running: $home" "DJANGO_ROLLOUT_CACHE=$home cluster/stack down stops it"
  fi
}

DAEMONS=(registry containerd dockerd etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns)

backend_up() {
  embedded_is_possible || unusable "the embedded stack needs root on Debian; elsewhere install Docker and kind, k3d or minikube"
  if ((${#RUN} > 70)); then
    unusable "$RUN is too long a path for sockets: name a shorter folder in DJANGO_ROLLOUT_CACHE"
  fi
  refuse_beside_another
  umask 022
  if is_up; then
    write_env
    printf '%s\n' "$STACK_HOME" >"$OWNER_FILE"
    tell stack "is up already"
    provide_tools act actionlint # a killed run may have ended before them
    return
  fi
  # The cluster's state is in etcd's memory and files. While it lives, the rest is
  # started again around it; without it, a clean start is the quick and sure way.
  if ! is_running etcd; then
    remove_traces
  fi
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  printf '%s\n' "$STACK_HOME" >"$OWNER_FILE"
  ensure_packages
  need_mirror
  ensure_etcd

  # Compiling keeps the cores busy, the images wait for network and disk.
  ensure_programs &
  local programs=$!
  start_engine_side &
  local engine=$!
  wait "$engine"
  wait "$programs"
  start_cluster
  write_env
  tell stack "up: eval \"\$(cluster/stack env | sed 's/^/export /')\""
  # Last, so that users who need only the cluster have it earlier.
  provide_tools act actionlint
}

start_engine_side() {
  choose_engine
  use_engine
  make_cgroup
  remember_policy
  start_registry
  start_containerd
  wait_until containerd "the container runtime answers" 60 containerd_answers
  start_engine
  wait_until engine "the container engine answers" 60 docker info
  wait_until registry "the image registry answers" 30 registry_answers
  ensure_buildx
  ensure_images
}

start_cluster() {
  local started=$SECONDS
  tell cluster "starting Kubernetes $KUBERNETES_VERSION (usually 10 s)"
  make_certificates >"$STACK_HOME/log/certificates.log" 2>&1
  write_settings
  make_node_link
  make_rules
  raise_limits
  start_etcd
  start_apiserver
  wait_until cluster "the API server is ready" 120 apiserver_ready
  start_controllers
  start_node
  admin_kubectl apply -f "$CLUSTER_DIR/embedded/addons.yaml" >/dev/null
  wait_until cluster "the node is ready" 120 node_ready
  wait_until cluster "Service names resolve" 60 dns_answers
  wait_until cluster "pods may be made" 60 default_account_exists
  tell cluster "ready after $((SECONDS - started)) s"
}

# Many small servers watch files; the kernel's default is for one desktop.
raise_limits() {
  local name=/proc/sys/fs/inotify/max_user_instances
  if (($(<"$name") < 1024)); then echo 1024 >"$name"; fi
  ulimit -S -n "$(ulimit -H -n)"
}

is_up() {
  local name
  # Another checkout of these files may want other images or programs.
  [[ -s "$RUN/env" && "$(cat "$RUN/version" 2>/dev/null)" == "$(source_version)" ]] || return 1
  for name in "${DAEMONS[@]}"; do
    if [[ "$name" == dockerd ]] && ! engine_is_ours; then continue; fi
    is_running "$name" || return 1
  done
  {
    apiserver_ready && dns_answers && registry_answers && node_ready &&
      use_engine && docker info
  } >/dev/null 2>&1
}

source_version() { find "$CLUSTER_DIR/embedded" -type f | sort | xargs cat | sha256sum; }

write_env() {
  local proxy="${no_proxy:-${NO_PROXY:-}}"
  {
    printf '%s=%s\n' \
      KUBECONFIG "$ADMIN_CONFIG" \
      STACK_CONTEXT "$STACK_CONTEXT" \
      STACK_REGISTRY "$STACK_REGISTRY" \
      STACK_NODE_ADDRESS "$NODE_ADDRESS" \
      STACK_BIN "$STACK_BIN" \
      STACK_HOME "$STACK_HOME" \
      DOCKER_CONFIG "$OWN_DOCKER_CONFIG"
    if engine_is_ours; then
      printf 'DOCKER_HOST=%s\n' "$OWN_DOCKER_HOST"
    elif [[ -s "$RUN/engine-of-machine" ]]; then
      printf 'DOCKER_HOST=%s\n' "$(<"$RUN/engine-of-machine")"
    fi
    if [[ -n "${http_proxy:-}${https_proxy:-}${HTTP_PROXY:-}${HTTPS_PROXY:-}" ]]; then
      printf 'NO_PROXY=%s\n' "${proxy:+$proxy,}$NODE_ADDRESS,127.0.0.1,localhost"
    fi
  } >"$RUN/.env"
  source_version >"$RUN/version"
  mv "$RUN/.env" "$RUN/env"
}

backend_env() {
  if [[ ! -s "$RUN/env" ]] || ! apiserver_ready >/dev/null 2>&1; then
    say "cluster/stack: the stack is not up: cluster/stack up"
    exit 1
  fi
  cat "$RUN/env"
}

backend_down() {
  if ! embedded_is_possible; then
    return # then it never was up either
  fi
  refuse_beside_another
  tell stack "stopping"
  remove_traces
  forget_pushed_images
}

# Whatever of us is left, in whatever state: running, killed, or before a reboot.
remove_traces() {
  if is_running dockerd; then
    empty_engine || true
  fi
  stop_everything
  unmount_everything
  remove_cgroup
  remove_rules
  remove_links
  remove_logs
  if [[ "$(readlink /tmp/hostpath_pv 2>/dev/null)" == "$RUN/volumes" ]]; then
    rm /tmp/hostpath_pv
  fi
  rm -rf "$RUN" "$STACK_HOME/engine-is-ours" "$OWNER_FILE"
}

# Containers and networks of our own engine go; images and build caches stay.
empty_engine() {
  local ids
  use_engine
  mapfile -t ids < <(timeout 10 docker ps --all --quiet)
  if ((${#ids[@]})); then timeout 30 docker rm --force "${ids[@]}" >/dev/null; fi
  timeout 20 docker network prune --force >/dev/null
}

# The kubelet and the CNI library write links and results outside any folder of ours.
remove_logs() {
  find /var/log/containers -maxdepth 1 -type l -lname "$RUN/*" -delete 2>/dev/null || true
  rmdir /var/log/containers 2>/dev/null || true
  rm -f /var/lib/cni/results/django-rollout-* 2>/dev/null || true
  rmdir /var/lib/cni/results /var/lib/cni 2>/dev/null || true
}

backend_status() {
  local name pid
  printf '%-24s %-8s %s\n' PART PID STATE
  for name in "${DAEMONS[@]}"; do
    if [[ "$name" == dockerd ]] && ! engine_is_ours; then
      printf '%-24s %-8s %s\n' "$name" - "this machine's own engine"
    elif is_running "$name"; then
      pid="$(pid_of "$name")"
      printf '%-24s %-8s %s\n' "$name" "$pid" "runs, $(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MB"
    else
      printf '%-24s %-8s %s\n' "$name" - "not running"
    fi
  done
  printf '%-24s %-8s %s\n' cluster - "$(if is_up; then echo "up, $(admin_kubectl get pods --all-namespaces --no-headers 2>/dev/null | wc -l) pods"; else echo "not up"; fi)"
  printf '%-24s %-8s %s\n' folder - "$STACK_HOME"
}
