#!/bin/sh
# Starts the shop in a session of its own. All three descriptors are redirected: the agent waits for those it handed out.
. "$(dirname "$0")/common.sh"

if pid=$(running_pid); then
  echo "the shop runs already, as process $pid" >&2
  exit 1
fi
cd /
setsid python3 -BES "$app" </dev/null >>"$log" 2>&1 &
echo $! >"$pid_file"
# Until it has become the shop's, running_pid does not know the new process.
while kill -0 $! 2>/dev/null && ! running_pid >/dev/null; do
  sleep 0.01
done
