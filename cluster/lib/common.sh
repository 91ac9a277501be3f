# Where things are, how progress is logged, how one command at a time is ensured.
# shellcheck shell=bash disable=SC2034 # some names are for the other files

STACK_HOME="${DJANGO_ROLLOUT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/django-rollout}"
STACK_CONTEXT=django-rollout
STACK_REGISTRY=127.0.0.1:5000

PARTS="$STACK_HOME/parts" # what was built, by name and version; outlives everything
DATA="$STACK_HOME/data"   # what engine and registry store; outlives a `down`
RUN="$STACK_HOME/run"     # what belongs to the running stack; gone after a `down`
STACK_BIN="$STACK_HOME/bin"

STACK_PID=$$
SECONDS=0

say() { printf '%s\n' "$*" >&2; }

tell() { # PART MESSAGE: one line of progress, with the seconds since the start
  printf '[%4ds] %-11s %s\n' "$SECONDS" "$1" "$2" >&2
}

fail() { # MESSAGE [HINT…]: ends the command with exit code 1
  say "cluster/stack: $1"
  shift
  local hint
  for hint in "$@"; do say "  $hint"; done
  exit 1
}

unusable() { # MESSAGE: this machine cannot do it; exit code 2
  say "cluster/stack: $1"
  exit 2
}

# Runs one stack command at a time per cache folder. The lock ends with the
# process that holds it, however it ends.
take_lock() {
  mkdir -p "$STACK_HOME" "$PARTS" "$DATA" "$STACK_BIN"
  chmod 700 "$STACK_HOME"
  if ! command -v flock >/dev/null; then
    return # no flock on macOS: two commands at once are the user's care there
  fi
  exec 9<>"$STACK_HOME/lock"
  until flock --wait 10 9; do
    tell stack "waiting for another cluster/stack (pid $(<"$STACK_HOME/lock")) to end"
  done
  printf '%s\n' "$$" >"$STACK_HOME/lock"
  # Under the lock no other process builds: files here were left by a killed run.
  rm -rf "$PARTS"/.tmp-*
}

# How apt, Go and mmdebstrap report that no server answers.
NO_NETWORK='dial tcp|no such host|could not resolve|temporary failure|could not connect|unable to fetch|network is unreachable|module lookup disabled'

# Runs COMMAND (a program or function of ours) with its output in a log, and a
# line of progress every 10 seconds. When the stack command is killed, the work
# is killed within a second, so that it never runs beside its successor.
# Call it plainly: in an `if` or before `||` bash would ignore errors within.
step() { # PART WHAT USUALLY COMMAND [ARGUMENT…]
  local part="$1" what="$2" usually="$3" log="$STACK_HOME/log/build-$1.log"
  local started=$SECONDS told=0 worker
  shift 3
  mkdir -p "$STACK_HOME/log"
  tell "$part" "$what (usually $usually)"
  set -m # the worker leads a process group: it is stopped with all its children
  (
    end_with_stack &
    "$@"
  ) </dev/null >"$log" 2>&1 &
  worker=$!
  set +m
  # shellcheck disable=SC2064 # this worker, not one of later
  trap "kill -KILL -- -$worker 2>/dev/null; exit 130" INT TERM HUP
  while kill -0 "$worker" 2>/dev/null; do
    sleep 0.2
    if (((SECONDS - started) / 10 > told)); then
      told=$(((SECONDS - started) / 10))
      tell "$part" "… $((SECONDS - started)) s"
    fi
  done
  trap - INT TERM HUP
  kill -KILL -- "-$worker" 2>/dev/null || true # its guard
  if ! wait "$worker"; then
    tell "$part" "FAILED after $((SECONDS - started)) s; the end of $log:"
    tail -n 15 "$log" >&2
    if grep -Eqi "$NO_NETWORK" "$log"; then
      unusable "this machine does not reach the packages that $part is made of: give it the network
  (Debian mirror, Go modules), or install Docker and kind (https://kind.sigs.k8s.io/), k3d or minikube"
    fi
    return 1
  fi
  tell "$part" "done in $((SECONDS - started)) s"
}

# Kills its process group when the stack command is gone.
end_with_stack() {
  set +e
  while kill -0 "$STACK_PID" 2>/dev/null; do sleep 0.5; done
  kill -KILL 0
}

# Waits until COMMAND succeeds; logs what it waits for; gives up in the end.
wait_until() { # PART WHAT TIMEOUT_SECONDS COMMAND [ARGUMENT…]
  local part="$1" what="$2" timeout="$3" started=$SECONDS told=0
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS - started >= timeout)); then
      fail "$what: not so after $timeout s" "logs: $RUN/log/" "cluster/stack down, then cluster/stack up, starts afresh"
    fi
    if (((SECONDS - started) / 10 > told)); then
      told=$(((SECONDS - started) / 10))
      tell "$part" "waiting: $what … $((SECONDS - started)) s"
    fi
    sleep 0.1
  done
}

fetch() { # URL: the body, on success; proxies are not for addresses of this machine
  curl --noproxy '*' --silent --show-error --fail --max-time 5 "$1"
}

registry_answers() { fetch "http://$STACK_REGISTRY/v2/"; }
