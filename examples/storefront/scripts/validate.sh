#!/bin/sh
# Waits until this release and its database answer, at most 20 s, and not for a process that has ended.
. "$(dirname "$0")/common.sh"

release=$(setting RELEASE)
python "$bundle/scripts/wait_healthy.py" "$(running_pid || echo 0)" "${release:-dev}" && exit 0
echo "the shop is not healthy; the end of $log:" >&2
tail -n 10 "$log" >&2
exit 1
