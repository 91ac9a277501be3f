# Which cluster this machine gets, and the four verbs that each kind has:
# backend_up, backend_down, backend_env, backend_status.
# shellcheck shell=bash

docker_works() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

use_backend() { # NAME
  STACK_BACKEND="$1"
  case "$1" in
    kind | k3d | minikube)
      # shellcheck source=/dev/null
      source "$CLUSTER_DIR/lib/managed.sh"
      ;;
    embedded)
      local file
      for file in packages engine images network processes kubernetes embedded; do
        # shellcheck source=/dev/null
        source "$CLUSTER_DIR/embedded/$file.sh"
      done
      ;;
    *)
      unusable "STACK_BACKEND=$1 is not one of embedded, kind, k3d, minikube"
      ;;
  esac
}

# A stack that was begun stays with its kind until it is down.
recorded_backend() {
  if [[ -s "$STACK_HOME/backend" ]]; then
    use_backend "$(<"$STACK_HOME/backend")"
  else
    use_backend "${STACK_BACKEND:-embedded}"
  fi
}

choose_backend() {
  local name=''
  if [[ -s "$STACK_HOME/backend" ]]; then
    name="$(<"$STACK_HOME/backend")"
    if [[ -n "${STACK_BACKEND:-}" && "$STACK_BACKEND" != "$name" ]]; then
      fail "the stack is up with $name" "cluster/stack down, then cluster/stack up, changes that"
    fi
  elif [[ -n "${STACK_BACKEND:-}" ]]; then
    name="$STACK_BACKEND"
  elif docker_works; then
    local candidate
    for candidate in kind k3d minikube; do
      if command -v "$candidate" >/dev/null; then
        name="$candidate"
        break
      fi
    done
  fi
  if [[ -z "$name" ]]; then
    name=embedded
    embedded_is_possible || unusable "no local Kubernetes for this machine.
  Install Docker and kind (https://kind.sigs.k8s.io/), k3d or minikube,
  or run as root on Debian (there everything is built from packages)."
  fi
  use_backend "$name"
  printf '%s\n' "$name" >"$STACK_HOME/backend"
}

embedded_is_possible() {
  [[ "$(id -u)" == 0 && -r /etc/os-release && "$(uname -s)" == Linux ]] &&
    grep -q '^ID=debian$' /etc/os-release
}
