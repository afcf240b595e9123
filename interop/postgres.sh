#!/usr/bin/env bash
# Runs a command beside a PostgreSQL cluster of its own, below a temporary folder, and ends it afterwards:
#
#     interop/postgres.sh cargo test -p mailwire-store --features postgres --test postgres
#
# The command finds the cluster by POSTGRES_URL, and can start it again by POSTGRES_CTL: `$POSTGRES_CTL restart -m immediate`.
# With POSTGRES_CERTIFICATE it is trusted by TLS. It listens at a Unix socket in that folder and at a port of 127.0.0.1 that was free. PostgreSQL does not run as root: the
# user `postgres`, whom Debian's package makes, runs it then. PG_BIN says where initdb and pg_ctl are.
set -euo pipefail

bin=${PG_BIN:-}
if [ -z "$bin" ]; then
    for found in $(dirname "$(command -v initdb || true)") /usr/lib/postgresql/*/bin; do
        [ -x "$found/initdb" ] && bin=$found
    done
fi
[ -x "$bin/initdb" ] || { echo "no initdb: PostgreSQL is not installed" >&2; exit 1; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/mailwire-postgres.XXXXXX")
as=()
if [ "$(id -u)" = 0 ]; then
    as=(runuser -u "${PG_USER:-postgres}" --)
    chown "${PG_USER:-postgres}" "$folder"
fi
chmod 755 "$folder"

finish() {
    local pid
    # Its process, and no other one: the number stands in the cluster's own file.
    if pid=$(head -1 "$folder/data/postmaster.pid" 2>/dev/null) && [ -n "$pid" ]; then
        kill -INT "$pid" 2>/dev/null || true
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -QUIT "$pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 143' INT TERM

cd "$folder"
"${as[@]}" "$bin/initdb" -D "$folder/data" -U mail -A trust --no-instructions -E UTF8 --locale=C >"$folder/initdb.log" ||
    { cat "$folder/initdb.log" >&2; exit 1; }
# It takes TLS, too, by a certificate that is made here.
tls=off
if openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
    -keyout "$folder/server.key" -out "$folder/server.pem" 2>/dev/null; then
    chmod 600 "$folder/server.key"
    [ ${#as[@]} = 0 ] || chown "${PG_USER:-postgres}" "$folder/server.key"
    chmod 644 "$folder/server.pem"
    tls=on
    export POSTGRES_CERTIFICATE=$folder/server.pem
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >>"$folder/data/postgresql.conf" <<EOF
port = $port
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 200
restart_after_crash = on
ssl = $tls
ssl_cert_file = '$folder/server.pem'
ssl_key_file = '$folder/server.key'
EOF
"${as[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -w start >/dev/null ||
    { cat "$folder/server.log" >&2; exit 1; }
cd - >/dev/null

export POSTGRES_URL="postgres://mail@127.0.0.1:$port/postgres"
export POSTGRES_CTL="${as[*]} $bin/pg_ctl -D $folder/data -l $folder/server.log -w"
status=0
# In the background, so that a signal is not kept waiting.
"$@" &
child=$!
wait "$child" || status=$?
[ $status = 0 ] || tail -30 "$folder/server.log" >&2
exit $status
