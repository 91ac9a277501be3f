# Kubernetes itself: one program from Go modules, its certificates, its settings.
# Every daemon listens on the node's own address, so that nothing collides with
# what else runs on this machine.
# shellcheck shell=bash

KUBERNETES_VERSION=v1.34.4
COREDNS_VERSION=v1.15.0
NODE_NAME=django-rollout
CLUSTER_DOMAIN=cluster.local
API_SERVER="https://$NODE_ADDRESS:6443"
ADMIN_CONFIG="$RUN/kubeconfig/admin"
PKI="$RUN/pki"

kubernetes_part() { printf '%s-%s\n' "$KUBERNETES_VERSION" "$(content_version "$CLUSTER_DIR"/embedded/kubernetes/{*.go,go.sum})"; }
coredns_part() { printf '%s-%s\n' "$COREDNS_VERSION" "$(content_version "$CLUSTER_DIR"/embedded/coredns/{main.go,go.sum})"; }

build_kubernetes() { # FOLDER
  local version=k8s.io/component-base/version minor="${KUBERNETES_VERSION#v1.}"
  cd "$CLUSTER_DIR/embedded/kubernetes" || exit
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$1/kubernetes" -ldflags "-s -w \
    -X $version.gitVersion=$KUBERNETES_VERSION -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*} \
    -X $version.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$KUBERNETES_VERSION" .
  # The program acts by the name it is called by.
  local name
  for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
    ln -s kubernetes "$1/$name"
  done
}

build_coredns() { # FOLDER
  cd "$CLUSTER_DIR/embedded/coredns" || exit
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$1/coredns" .
}

ensure_programs() {
  if ! has_part kubernetes "$(kubernetes_part)" || ! has_part coredns "$(coredns_part)"; then
    need_go
  fi
  make_part kubernetes "$(kubernetes_part)" "Kubernetes $KUBERNETES_VERSION from its Go modules" "5 to 8 min on 2 cores" build_kubernetes
  link_program "$(part_dir kubernetes "$(kubernetes_part)")/kubectl" kubectl
  make_part coredns "$(coredns_part)" "CoreDNS $COREDNS_VERSION from its Go module" "60 to 90 s" build_coredns
}

component() { printf '%s\n' "$(part_dir kubernetes "$(kubernetes_part)")/$1"; }

# --- certificates ---------------------------------------------------------

make_certificate() { # NAME SUBJECT USAGE [ALTERNATIVE_NAMES]
  local extensions="basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=$3"
  if [[ -n "${4:-}" ]]; then extensions+=$'\n'"subjectAltName=$4"; fi
  openssl ecparam -genkey -name prime256v1 -noout -out "$PKI/$1.key"
  openssl req -new -key "$PKI/$1.key" -subj "$2" |
    openssl x509 -req -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -set_serial "0x$(openssl rand -hex 8)" \
      -days 3650 -extfile <(printf '%s\n' "$extensions") -out "$PKI/$1.crt"
}

make_certificates() {
  if [[ -e "$PKI/complete" ]]; then
    return
  fi
  rm -rf "$PKI"
  mkdir -p "$PKI"
  openssl ecparam -genkey -name prime256v1 -noout -out "$PKI/ca.key"
  openssl req -x509 -new -key "$PKI/ca.key" -subj /CN=django-rollout-stack -days 3650 \
    -addext keyUsage=critical,keyCertSign,digitalSignature -out "$PKI/ca.crt"
  openssl ecparam -genkey -name prime256v1 -noout -out "$PKI/service-accounts.key"
  local services="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$CLUSTER_DOMAIN"
  make_certificate apiserver /CN=kube-apiserver serverAuth \
    "$services,DNS:localhost,IP:$NODE_ADDRESS,IP:$API_SERVICE,IP:127.0.0.1"
  make_certificate kubelet "/CN=$NODE_NAME" serverAuth "DNS:$NODE_NAME,IP:$NODE_ADDRESS"
  make_certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
  make_certificate admin /O=system:masters/CN=admin clientAuth
  make_certificate controller-manager /CN=system:kube-controller-manager clientAuth
  make_certificate scheduler /CN=system:kube-scheduler clientAuth
  make_certificate proxy /CN=system:kube-proxy clientAuth
  make_certificate coredns /CN=coredns clientAuth
  make_certificate node "/O=system:nodes/CN=system:node:$NODE_NAME" clientAuth
  local name
  for name in admin controller-manager scheduler proxy coredns node; do
    write_kubeconfig "$name"
  done
  touch "$PKI/complete"
}

write_kubeconfig() { # NAME
  mkdir -p "$RUN/kubeconfig"
  (
    umask 077
    cat >"$RUN/kubeconfig/$1" <<YAML
apiVersion: v1
kind: Config
current-context: $STACK_CONTEXT
contexts:
- {name: $STACK_CONTEXT, context: {cluster: $STACK_CONTEXT, user: $1}}
clusters:
- name: $STACK_CONTEXT
  cluster:
    server: $API_SERVER
    certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "$PKI/$1.crt")
    client-key-data: $(base64 -w0 "$PKI/$1.key")
YAML
  )
}

# --- settings -------------------------------------------------------------

write_settings() {
  mkdir -p "$RUN/etc/cni"
  cat >"$RUN/etc/cni/10-django-rollout.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "django-rollout",
  "plugins": [
    {
      "type": "bridge", "bridge": "$POD_LINK", "isGateway": true, "ipMasq": true, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "$RUN/cni",
        "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
JSON
  # Evictions and image collection never start by themselves: a test that fails
  # because the laptop's disk is 90 % full would be misleading.
  cat >"$RUN/etc/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_ADDRESS
healthzBindAddress: $NODE_ADDRESS
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $PKI/ca.crt}}
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
clusterDNS: [$NODE_ADDRESS]
clusterDomain: $CLUSTER_DOMAIN
resolvConf: $(resolv_conf)
podLogsDir: $RUN/pod-logs
volumePluginDir: $RUN/volume-plugins
maxPods: 250
serializeImagePulls: false
registryPullQPS: 0
# 0 would be the default of the client library, 5 a second: events came minutes late.
eventRecordQPS: 500
eventBurst: 1000
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 50Mi, nodefs.available: 50Mi, nodefs.inodesFree: "1000", imagefs.available: 50Mi}
failSwapOn: false
# What a machine without CAP_SYS_RESOURCE or with cgroup v1 cannot give.
oomScoreAdj: 0
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
failCgroupV1: false
YAML
  cat >"$RUN/etc/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $RUN/kubeconfig/proxy}
hostnameOverride: $NODE_NAME
bindAddress: $NODE_ADDRESS
healthzBindAddress: $NODE_ADDRESS:10256
metricsBindAddress: $NODE_ADDRESS:10249
mode: iptables
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0}
YAML
  # Answers about Services are not cached: tests make and delete them quickly.
  cat >"$RUN/etc/Corefile" <<COREFILE
.:53 {
  bind $NODE_ADDRESS
  errors
  ready $NODE_ADDRESS:8181
  cache 30 {
    disable success $CLUSTER_DOMAIN
    disable denial $CLUSTER_DOMAIN
  }
  loadbalance
  kubernetes $CLUSTER_DOMAIN in-addr.arpa ip6.arpa {
    kubeconfig $RUN/kubeconfig/coredns
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 5
  }
  forward . $(resolv_conf)
}
COREFILE
}

# Where systemd-resolved runs, /etc/resolv.conf names an address that pods cannot use.
resolv_conf() {
  if [[ -s /run/systemd/resolve/resolv.conf ]]; then
    printf '/run/systemd/resolve/resolv.conf\n'
  else
    printf '/etc/resolv.conf\n'
  fi
}

# --- daemons --------------------------------------------------------------

# Its files need not survive a power failure, so it need not wait for the disk.
start_etcd() {
  start_daemon etcd "$(part_dir etcd "$IMAGE_SUITE")/etcd" \
    --name django-rollout --data-dir "$RUN/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:12379" --advertise-client-urls "http://127.0.0.1:12379" \
    --listen-peer-urls "http://127.0.0.1:12380" \
    --initial-advertise-peer-urls "http://127.0.0.1:12380" \
    --initial-cluster "django-rollout=http://127.0.0.1:12380"
}

start_apiserver() {
  start_daemon kube-apiserver "$(component kube-apiserver)" \
    --etcd-servers=http://127.0.0.1:12379 \
    --bind-address="$NODE_ADDRESS" --advertise-address="$NODE_ADDRESS" --secure-port=6443 \
    --service-cluster-ip-range="$SERVICE_RANGE" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --allow-privileged=true \
    --client-ca-file="$PKI/ca.crt" --cert-dir="$PKI" \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP \
    --service-account-issuer="https://kubernetes.default.svc.$CLUSTER_DOMAIN" \
    --service-account-key-file="$PKI/service-accounts.key" \
    --service-account-signing-key-file="$PKI/service-accounts.key"
}

start_controllers() {
  local volumes=/tmp/hostpath_pv # the provisioner has no option for its folder
  mkdir -p "$RUN/volumes"
  if [[ ! -e "$volumes" || -L "$volumes" ]]; then
    ln -sfn "$RUN/volumes" "$volumes"
  fi
  start_daemon kube-controller-manager "$(component kube-controller-manager)" \
    --kubeconfig="$RUN/kubeconfig/controller-manager" \
    --authentication-kubeconfig="$RUN/kubeconfig/controller-manager" \
    --authorization-kubeconfig="$RUN/kubeconfig/controller-manager" \
    --bind-address="$NODE_ADDRESS" --leader-elect=false \
    --kube-api-qps=200 --kube-api-burst=300 \
    --allocate-node-cidrs=true --cluster-cidr="$POD_RANGE" --node-cidr-mask-size=22 \
    --service-cluster-ip-range="$SERVICE_RANGE" \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --root-ca-file="$PKI/ca.crt" --cert-dir="$PKI" \
    --service-account-private-key-file="$PKI/service-accounts.key" \
    --use-service-account-credentials=true \
    --enable-hostpath-provisioner=true
  start_daemon kube-scheduler "$(component kube-scheduler)" \
    --kubeconfig="$RUN/kubeconfig/scheduler" \
    --authentication-kubeconfig="$RUN/kubeconfig/scheduler" \
    --authorization-kubeconfig="$RUN/kubeconfig/scheduler" \
    --bind-address="$NODE_ADDRESS" --cert-dir="$PKI" --leader-elect=false \
    --kube-api-qps=200 --kube-api-burst=300
}

start_node() {
  start_daemon kubelet "$(component kubelet)" \
    --config="$RUN/etc/kubelet.yaml" --kubeconfig="$RUN/kubeconfig/node" \
    --root-dir="$RUN/kubelet" --cert-dir="$PKI" \
    --hostname-override="$NODE_NAME" --node-ip="$NODE_ADDRESS"
  start_daemon kube-proxy "$(component kube-proxy)" --config="$RUN/etc/kube-proxy.yaml"
  start_daemon coredns "$(part_dir coredns "$(coredns_part)")/coredns" -conf "$RUN/etc/Corefile"
}

# --- conditions -----------------------------------------------------------

admin_kubectl() { "$STACK_BIN/kubectl" --kubeconfig "$ADMIN_CONFIG" --request-timeout=10s "$@"; }

apiserver_ready() {
  curl --noproxy '*' --silent --fail --max-time 5 --cacert "$PKI/ca.crt" "$API_SERVER/readyz"
}

node_ready() {
  [[ "$(admin_kubectl get node "$NODE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" == True ]]
}

dns_answers() { fetch "http://$NODE_ADDRESS:8181/ready"; }

default_account_exists() { admin_kubectl get serviceaccount default; }
