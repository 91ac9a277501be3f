#!/usr/bin/env bash
# Starts PostgreSQL as the official image does: POSTGRES_USER, POSTGRES_PASSWORD,
# POSTGRES_DB (each also as …_FILE), POSTGRES_INITDB_ARGS,
# POSTGRES_HOST_AUTH_METHOD, PGDATA, /docker-entrypoint-initdb.d/*.sql and *.sh.
set -euo pipefail

from_file() { # NAME: takes NAME's value from the file that NAME_FILE names
  local file_name="$1_FILE"
  if [[ -n "${!file_name:-}" ]]; then
    export "$1=$(<"${!file_name}")"
  fi
}

make_cluster() {
  local user="$1" database="$2" method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  if [[ -z "${POSTGRES_PASSWORD:-}" && "$method" != trust ]]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    echo '       Set POSTGRES_PASSWORD to a non-empty value.' >&2
    exit 1
  fi
  # The words of POSTGRES_INITDB_ARGS are options of initdb, so they are split.
  # shellcheck disable=SC2086
  initdb --username="$user" ${POSTGRES_PASSWORD:+--pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")} \
    --no-sync --no-instructions --auth-local=trust --auth-host=trust ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  if [[ "$database" != postgres ]]; then
    # Single-user mode is three times quicker than a server for one statement.
    printf 'CREATE DATABASE "%s"\n' "${database//\"/\"\"}" | postgres --single -D "$PGDATA" postgres >/dev/null
  fi
  if compgen -G '/docker-entrypoint-initdb.d/*' >/dev/null; then
    run_init_files "$user" "$database"
  fi
}

run_init_files() { # USER DATABASE
  local file
  pg_ctl --wait --options="-c listen_addresses=''" start
  export PGUSER="$1" PGDATABASE="$2"
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) bash "$file" ;;
      *.sql) psql --no-psqlrc --set ON_ERROR_STOP=1 --file "$file" ;;
      *.sql.gz) gunzip --stdout "$file" | psql --no-psqlrc --set ON_ERROR_STOP=1 ;;
      *) echo "ignoring $file" ;;
    esac
  done
  unset PGUSER PGDATABASE
  pg_ctl --mode=fast --wait stop
}

main() {
  from_file POSTGRES_USER
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_DB
  local user="${POSTGRES_USER:-postgres}"
  local database="${POSTGRES_DB:-$user}"

  if [[ "${1:-}" == -* ]]; then
    set -- postgres "$@"
  fi
  if [[ "${1:-}" == postgres && "$(id -u)" == 0 ]]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  if [[ "${1:-}" == postgres && ! -s "$PGDATA/PG_VERSION" ]]; then
    mkdir -p "$PGDATA"
    make_cluster "$user" "$database"
  fi
  exec "$@"
}

main "$@"
