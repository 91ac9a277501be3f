# The node's address, and the firewall rules beside those of kube-proxy.
# shellcheck shell=bash disable=SC2034 # some names are for the other files

NODE_LINK=djr-node
POD_LINK=djr-pods
NODE_ADDRESS=10.199.0.1
POD_RANGE=10.244.0.0/22
SERVICE_RANGE=10.96.0.0/16
API_SERVICE=10.96.0.1
RULE_COMMENT=django-rollout

make_node_link() {
  # A bridge without members: not every kernel has the dummy kind of link.
  ip link show "$NODE_LINK" >/dev/null 2>&1 || ip link add "$NODE_LINK" type bridge
  ip address replace "$NODE_ADDRESS/32" dev "$NODE_LINK"
  ip link set "$NODE_LINK" up
}

first_rule() { # CHAIN MATCH…: at the head of the chain, once
  local chain="$1"
  shift
  iptables -w -C "$chain" "$@" -m comment --comment "$RULE_COMMENT" 2>/dev/null ||
    iptables -w -I "$chain" "$@" -m comment --comment "$RULE_COMMENT"
}

make_rules() {
  echo 1 >/proc/sys/net/ipv4/ip_forward
  # Between pods of one bridge a Service is translated only where bridges pass the filter.
  modprobe br_netfilter 2>/dev/null || true
  echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
  # The engine makes DROP the policy of FORWARD; pods need their way through.
  first_rule INPUT -i "$POD_LINK" -j ACCEPT
  first_rule FORWARD -o "$POD_LINK" -j ACCEPT
  first_rule FORWARD -i "$POD_LINK" -j ACCEPT
  # An address of the Service range that kube-proxy has no rule for yet would
  # leave this machine, and another host might answer. These filters come
  # after the Services' own translation, so they see only what was not translated.
  first_rule OUTPUT -d "$SERVICE_RANGE" -j REJECT
  first_rule FORWARD -d "$SERVICE_RANGE" -j REJECT
}

remember_policy() {
  if [[ ! -s "$RUN/forward-policy" ]]; then
    iptables -w -S FORWARD | awk '$1 == "-P" { print $3 }' >"$RUN/forward-policy"
  fi
}

# The rules of kube-proxy, kubelet, CNI and ourselves; those of the engine where it is ours.
our_rules_pattern() {
  local pattern="KUBE-|CNI-|CNI\[|$RULE_COMMENT|$NODE_LINK|$POD_LINK"
  if engine_is_ours; then pattern+='|DOCKER|docker0|br-[0-9a-f]{12}'; fi
  printf '%s\n' "$pattern"
}

remove_rules() {
  local command pattern policy
  pattern="$(our_rules_pattern)"
  policy="$(cat "$RUN/forward-policy" 2>/dev/null || true)"
  for command in iptables ip6tables; do
    command -v "$command-save" >/dev/null || continue
    # Not grep -q: it ends at the first match, and pipefail takes that for a failure.
    if ! "$command-save" 2>/dev/null | grep -E -- "$pattern" >/dev/null; then continue; fi
    # One call replaces each table at once: there is no moment without rules.
    "$command-save" 2>/dev/null | grep -Ev -- "$pattern" |
      { if [[ "$command" == iptables && -n "$policy" ]]; then sed "s/^:FORWARD DROP/:FORWARD $policy/"; else cat; fi; } |
      "$command-restore"
  done
}

remove_links() {
  local link
  for link in $(ip -o link show type veth 2>/dev/null | sed -n "s/^[0-9]*: \([^@:]*\)[@:].* master $POD_LINK .*/\1/p"); do
    ip link delete "$link" 2>/dev/null || true
  done
  for link in "$POD_LINK" "$NODE_LINK"; do
    ip link delete "$link" 2>/dev/null || true
  done
  if engine_is_ours; then
    for link in $(ip -o link show type bridge | sed -nE 's/^[0-9]+: (docker0|br-[0-9a-f]{12})[@:].*/\1/p'); do
      ip link delete "$link" 2>/dev/null || true
    done
  fi
}
