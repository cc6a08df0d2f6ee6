#!/bin/sh
# Refuses a host that could not run the shop, before anything of it is changed.
. "$(dirname "$0")/common.sh"

if ! python -c 'import sqlite3, sys; sys.exit(sys.version_info < (3, 8))'; then
  echo "the shop needs python3 3.8 or newer with sqlite3" >&2
  exit 1
fi
mkdir -p "$state" "$root/var/log" "$root/run"
