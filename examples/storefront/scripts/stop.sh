#!/bin/sh
# Stops the shop: requests in flight are finished first. Succeeds when nothing runs.
. "$(dirname "$0")/common.sh"

# Whether the shop has ended, after at most this many tenths of a second.
ends_within() {
  tenths=$1
  while running_pid >/dev/null; do
    [ "$tenths" -gt 0 ] || return 1
    tenths=$((tenths - 1))
    sleep 0.1
  done
}

if pid=$(running_pid); then
  kill -TERM "$pid"
  if ! ends_within 100; then
    echo "process $pid did not stop within 10 s and is killed" >&2
    kill -KILL "$pid"
    ends_within 20
  fi
fi
rm -f "$pid_file"
