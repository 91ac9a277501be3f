# The stack on kind, k3d or minikube, where Docker works: a separate cluster
# named django-rollout, its own kubeconfig, and a registry container that
# this host and the nodes both know as 127.0.0.1:5000. The user's current
# context, engine and Docker settings are used as they are and never changed.
# shellcheck shell=bash

REGISTRY_CONTAINER=django-rollout-registry
MANAGED_CONFIG="$STACK_HOME/managed/kubeconfig"

backend_up() {
  local program
  for program in docker kubectl "$STACK_BACKEND" curl; do
    command -v "$program" >/dev/null || unusable "$program is missing: install it, or choose another STACK_BACKEND"
  done
  docker_works || unusable "Docker does not answer: start it"
  umask 022
  mkdir -p "$STACK_HOME/managed"
  chmod 700 "$STACK_HOME/managed"
  start_registry_container
  if managed_is_up; then
    tell stack "is up already"
  else
    managed_delete >/dev/null 2>&1 || true # what a killed run left is no cluster
    step "$STACK_BACKEND" "cluster $STACK_CONTEXT by $STACK_BACKEND" "1 to 3 min" "${STACK_BACKEND}_create"
    chmod 600 "$MANAGED_CONFIG"
    wait_until cluster "the cluster is ready" 120 managed_is_up
  fi
  connect_registry
  wait_until registry "the image registry answers" 60 registry_answers
  tell stack "up: eval \"\$(cluster/stack env | sed 's/^/export /')\""
  if command -v go >/dev/null; then
    provide_tools act actionlint
  else
    tell tools "act and actionlint are not built: Go is missing"
  fi
}

backend_down() {
  managed_delete || true
  docker rm --force --volumes "$REGISTRY_CONTAINER" >/dev/null 2>&1 || true
  rm -rf "$STACK_HOME/managed"
}

backend_env() {
  if ! managed_is_up; then
    say "cluster/stack: the stack is not up: cluster/stack up"
    exit 1
  fi
  printf '%s=%s\n' \
    KUBECONFIG "$MANAGED_CONFIG" \
    STACK_CONTEXT "$STACK_CONTEXT" \
    STACK_REGISTRY "$STACK_REGISTRY" \
    STACK_NODE_ADDRESS "$(managed_kubectl get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}')" \
    STACK_BIN "$STACK_BIN" \
    STACK_HOME "$STACK_HOME"
}

backend_status() {
  printf '%-12s %s\n' \
    backend "$STACK_BACKEND" \
    cluster "$(if managed_is_up; then echo up; else echo 'not up'; fi)" \
    registry "$(if registry_answers >/dev/null 2>&1; then echo "up at $STACK_REGISTRY"; else echo 'not up'; fi)" \
    folder "$STACK_HOME"
}

managed_kubectl() { kubectl --kubeconfig "$MANAGED_CONFIG" --context "$STACK_CONTEXT" --request-timeout=10s "$@"; }

managed_is_up() {
  [[ -s "$MANAGED_CONFIG" ]] &&
    managed_kubectl wait --for=condition=Ready nodes --all --timeout=5s >/dev/null 2>&1 &&
    managed_kubectl get serviceaccount default >/dev/null 2>&1
}

managed_delete() {
  case "$STACK_BACKEND" in
    kind) kind delete cluster --name "$STACK_CONTEXT" --kubeconfig "$MANAGED_CONFIG" ;;
    k3d) k3d cluster delete "$STACK_CONTEXT" ;;
    minikube) KUBECONFIG="$MANAGED_CONFIG" minikube delete --profile "$STACK_CONTEXT" ;;
  esac
}

# --- registry -------------------------------------------------------------

start_registry_container() {
  if [[ "$(docker container inspect --format '{{.State.Running}}' "$REGISTRY_CONTAINER" 2>/dev/null)" == true ]]; then
    return
  fi
  docker rm --force "$REGISTRY_CONTAINER" >/dev/null 2>&1 || true
  step registry "the image registry at $STACK_REGISTRY" "10 s" \
    docker run --detach --restart unless-stopped --name "$REGISTRY_CONTAINER" \
    --publish "$STACK_REGISTRY:5000" --env REGISTRY_STORAGE_DELETE_ENABLED=true registry:2
}

# In the nodes' network they find the registry by its name.
connect_registry() {
  local network="$STACK_CONTEXT" # minikube's name for it
  case "$STACK_BACKEND" in
    kind) network=kind ;;
    k3d) network="k3d-$STACK_CONTEXT" ;;
  esac
  docker network connect "$network" "$REGISTRY_CONTAINER" 2>/dev/null || true # it is in it already
}

# What the nodes' containerd reads for the name that this host uses.
hosts_toml() { printf '[host."http://%s:5000"]\n  capabilities = ["pull", "resolve"]\n' "$REGISTRY_CONTAINER"; }

CERTS_D="/etc/containerd/certs.d/$STACK_REGISTRY"

# --- clusters -------------------------------------------------------------

# https://kind.sigs.k8s.io/docs/user/local-registry/
kind_create() {
  local node
  kind create cluster --name "$STACK_CONTEXT" --kubeconfig "$MANAGED_CONFIG" --wait 180s --config - <<'YAML'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
containerdConfigPatches:
- |-
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
YAML
  for node in $(kind get nodes --name "$STACK_CONTEXT"); do
    docker exec "$node" mkdir -p "$CERTS_D"
    hosts_toml | docker exec --interactive "$node" tee "$CERTS_D/hosts.toml"
  done
  kubectl --kubeconfig "$MANAGED_CONFIG" config rename-context "kind-$STACK_CONTEXT" "$STACK_CONTEXT"
}

# https://k3d.io/stable/usage/registries/
k3d_create() {
  local settings="$STACK_HOME/managed/registries.yaml"
  printf 'mirrors:\n  "%s":\n    endpoint: ["http://%s:5000"]\n' "$STACK_REGISTRY" "$REGISTRY_CONTAINER" >"$settings"
  k3d cluster create "$STACK_CONTEXT" --registry-config "$settings" --wait --timeout 300s \
    --kubeconfig-update-default=false --kubeconfig-switch-context=false \
    --k3s-arg '--disable=traefik@server:*'
  k3d kubeconfig get "$STACK_CONTEXT" >"$MANAGED_CONFIG"
  kubectl --kubeconfig "$MANAGED_CONFIG" config rename-context "k3d-$STACK_CONTEXT" "$STACK_CONTEXT"
}

# https://minikube.sigs.k8s.io/docs/handbook/registry/
minikube_create() {
  KUBECONFIG="$MANAGED_CONFIG" minikube start --profile "$STACK_CONTEXT" \
    --driver docker --container-runtime containerd --keep-context=false --wait all
  docker exec "$STACK_CONTEXT" mkdir -p "$CERTS_D"
  hosts_toml | docker exec --interactive "$STACK_CONTEXT" tee "$CERTS_D/hosts.toml"
}
