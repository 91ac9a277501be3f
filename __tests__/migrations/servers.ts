/** The versions of PostgreSQL that migrations are played on. */
export type PostgresVersion = 'postgres:17' | 'postgres:15'

/** What makes the image of a version; undefined: it is the one of the stack. */
export const postgresFiles: Readonly<Record<PostgresVersion, string | undefined>> = {
  'postgres:17': undefined,
  // Debian's release before the one of the images has it.
  'postgres:15': `FROM postgres:17
USER root
RUN sed 's/trixie/bookworm/g' /etc/apt/sources.list.d/* /etc/apt/sources.list 2>/dev/null | grep -E '^(deb |Types|URIs|Suites|Components|Signed-By|$)' >/tmp/older; if grep -q ^Types /tmp/older; then mv /tmp/older /etc/apt/sources.list.d/older.sources; else mv /tmp/older /etc/apt/sources.list.d/older.list; fi; apt-get update && apt-get install --yes --no-install-recommends postgresql-15 && rm -rf /var/lib/apt/lists/*
RUN sed -i "s/^#\\?listen_addresses.*/listen_addresses = '*'/" /usr/share/postgresql/15/postgresql.conf.sample
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PG_MAJOR=15
`,
}
