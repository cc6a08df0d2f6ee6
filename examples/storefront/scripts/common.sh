# Read by every script of the bundle: `. "$(dirname "$0")/common.sh"`.
# A script's working directory is the agent's, so everything is found from the script itself or from the host's root.
# shellcheck shell=sh

set -eu

bundle=$(cd "$(dirname "$0")/.." && pwd)   # the deployment archive that this script came with
root=${HOST_ROOT:-}                        # empty on a real host
app="$root/srv/storefront/storefront.py"   # what is installed; the next bundle goes to the same place
state="$root/var/lib/storefront"           # orders; they outlive releases
log="$root/var/log/storefront.log"
pid_file="$root/run/storefront.pid"

export HOST_ROOT="$root" HOST_IP="${HOST_IP:-0.0.0.0}" PORT="${PORT:-8080}"

# Without -B Python would keep compiled modules beside the code and tell them apart by time and size, which two releases
# can share, since every file of a bundle has the same time. -E and -S: nothing of the host's own Python settings.
python() {
  python3 -BES "$@"
}

# Prints the shop's process id; fails if it does not run. A process that merely got the same id does not count.
running_pid() {
  [ -s "$pid_file" ] || return 1
  pid=$(cat "$pid_file")
  kill -0 "$pid" 2>/dev/null || return 1
  [ ! -r "/proc/$pid/cmdline" ] || tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$app" || return 1
  echo "$pid"
}

# Prints a setting of the bundle's release.env; nothing if it is not there.
setting() {
  sed -n "s/^$1=//p" "$bundle/release.env" 2>/dev/null | tail -n 1
}

# The fault `failing-hook=EVENT`, for rehearsals.
if [ -n "${LIFECYCLE_EVENT:-}" ] && [ "$(setting FAULT)" = "failing-hook=$LIFECYCLE_EVENT" ]; then
  echo "this release fails in $LIFECYCLE_EVENT, as its release.env says" >&2
  exit 1
fi
