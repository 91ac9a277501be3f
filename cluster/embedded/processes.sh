# Daemons: started so that they outlive the calling shell, known by the path
# they were called by, so that only our own are ever stopped.
# shellcheck shell=bash

CONTAINERD_SOCKET="$RUN/containerd/containerd.sock"
CGROUP=django-rollout # parent of every container: pods' and the engine's

start_daemon() { # NAME PROGRAM [ARGUMENT…]
  local name="$1" program="$2"
  shift 2
  if is_running "$name"; then
    return
  fi
  mkdir -p "$RUN/bin" "$RUN/pid" "$RUN/log"
  ln -sfn "$program" "$RUN/bin/$name"
  # The pid is written before the program starts, so that none is ever unknown.
  # The lock (9) must not live on in a daemon.
  # shellcheck disable=SC2016 # $$ and $1 are the inner shell's
  (
    cd /
    exec setsid nohup bash -c 'echo $$ >"$1"; shift; exec "$@"' start \
      "$RUN/pid/$name" "$RUN/bin/$name" "$@"
  ) </dev/null >>"$RUN/log/$name.log" 2>&1 9>&- &
}

is_process_of() { # PID NAME: is it really the daemon that we started?
  local argv=()
  { mapfile -d '' -t argv <"/proc/$1/cmdline"; } 2>/dev/null || return 1
  [[ "${argv[0]:-}" == "$RUN/bin/$2" && "$(process_state "$1")" != Z ]]
}

process_state() { # PID
  local stat=''
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  stat="${stat##*) }"
  printf '%s\n' "${stat%% *}"
}

pid_of() { # NAME: the recorded pid
  [[ -s "$RUN/pid/$1" ]] && printf '%s\n' "$(<"$RUN/pid/$1")"
}

is_running() { # NAME
  local pid
  pid="$(pid_of "$1")" && is_process_of "$pid" "$1"
}

# Also those whose pid file is lost: the path they were called by is ours alone.
our_daemons() { daemons_of "$RUN" "$@"; } # [NAME]: pids

daemons_of() { # RUN_FOLDER [NAME]: pids
  local run="$1" folder argv
  shift
  for folder in /proc/[0-9]*; do
    argv=()
    { mapfile -d '' -t argv <"$folder/cmdline"; } 2>/dev/null || continue
    if [[ "${argv[0]:-}" == "$run/bin/${1:-}"* && (-z "${1:-}" || "${argv[0]}" == "$run/bin/$1") ]]; then
      printf '%s\n' "${folder#/proc/}"
    fi
  done
}

our_shims() { # pids
  local folder argv
  for folder in /proc/[0-9]*; do
    argv=()
    { mapfile -d '' -t argv <"$folder/cmdline"; } 2>/dev/null || continue
    if [[ "${argv[0]:-}" == *containerd-shim* && " ${argv[*]} " == *" $CONTAINERD_SOCKET "* ]]; then
      printf '%s\n' "${folder#/proc/}"
    fi
  done
}

our_cgroups() { # the folders of our cgroup: one (v2) or one a controller (v1)
  local folder
  for folder in "/sys/fs/cgroup/$CGROUP" /sys/fs/cgroup/*/"$CGROUP"; do
    if [[ -d "$folder" ]]; then printf '%s\n' "$folder"; fi
  done
}

our_containers() { # pids of the processes in containers
  local cgroup
  our_cgroups | while read -r cgroup; do
    find "$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done | sort -u
}

# Kubelet and engine put their containers below it; kubelet wants it to exist. Its weight is that of several
# processes: with the usual one, all pods together would have as much of a busy machine as one test has.
make_cgroup() {
  local root name
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    sed 's/\([^ ]\+\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
    sed 's/\([^ ]\+\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >"/sys/fs/cgroup/$CGROUP/cgroup.subtree_control"
    if [[ -f "/sys/fs/cgroup/$CGROUP/cpu.weight" ]]; then
      echo 800 >"/sys/fs/cgroup/$CGROUP/cpu.weight"
    fi
    return
  fi
  for root in /sys/fs/cgroup/*/; do
    [[ -f "${root}cgroup.procs" ]] || continue
    mkdir -p "$root$CGROUP"
    # A new cpuset has no cpu and no memory, and takes no process until it has.
    for name in cpuset.cpus cpuset.mems; do
      if [[ -f "$root$name" ]]; then cat "$root$name" >"$root$CGROUP/$name"; fi
    done
    if [[ -f "$root$CGROUP/cpu.shares" ]]; then echo 8192 >"$root$CGROUP/cpu.shares"; fi
  done
}

remove_cgroup() {
  local cgroup
  our_cgroups | while read -r cgroup; do
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

stop_processes() { # SECONDS PID…: asks, waits, then kills
  local patience=$((SECONDS + $1)) pid
  shift
  for pid in "$@"; do kill -TERM "$pid" 2>/dev/null || true; done
  while ((SECONDS < patience)) && any_alive "$@"; do sleep 0.1; done
  kill_processes "$@"
}

kill_processes() { # PID…
  local pid
  for pid in "$@"; do kill -KILL "$pid" 2>/dev/null || true; done
  for _ in {1..50}; do
    any_alive "$@" || return 0
    sleep 0.1
  done
}

any_alive() { # PID…
  local pid state
  for pid in "$@"; do
    state="$(process_state "$pid")"
    if [[ -n "$state" && "$state" != Z ]]; then return 0; fi
  done
  return 1
}

# Everything of ours, in an order in which nothing restarts what was just stopped.
stop_everything() {
  local name pids=()
  for name in kubelet kube-proxy kube-scheduler kube-controller-manager coredns; do
    mapfile -t -O "${#pids[@]}" pids < <(our_daemons "$name")
  done
  kill_processes "${pids[@]}"
  mapfile -t pids < <(our_containers)
  kill_processes "${pids[@]}"
  mapfile -t pids < <(our_daemons dockerd)
  stop_processes 10 "${pids[@]}"
  mapfile -t pids < <(our_shims)
  kill_processes "${pids[@]}"
  mapfile -t pids < <(our_daemons)
  stop_processes 3 "${pids[@]}"
  mapfile -t pids < <(our_shims; our_containers)
  kill_processes "${pids[@]}"
}

unmount_everything() {
  local point
  # Later mounts first; a mount point's blanks are written as \040 there.
  awk '{ print $5 }' /proc/self/mountinfo | tac | while read -r point; do
    point="$(printf '%b' "$point")"
    if [[ "$point" == "$RUN"/* || "$point" == "$DATA"/* ]]; then
      umount "$point" 2>/dev/null || umount --lazy "$point" || true
    fi
  done
}
