#!/usr/bin/env bash
# Starts Redis as the official image does: as user redis, open to other hosts.
set -euo pipefail

if [[ "${1:-}" == -* || "${1:-}" == *.conf ]]; then
  set -- redis-server "$@"
fi
if [[ "${1:-}" == redis-server && "$(id -u)" == 0 ]]; then
  find . \! -user redis -exec chown redis:redis {} +
  exec setpriv --reuid=redis --regid=redis --init-groups -- "$0" "$@"
fi
if [[ "${1:-}" == redis-server ]]; then
  # In a separate container no client is on the loopback side of "protected mode".
  set -- "$@" --protected-mode no
fi
exec "$@"
