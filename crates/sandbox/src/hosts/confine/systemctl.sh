#!/bin/sh
# Stand-in for `systemctl` on a host of the sandbox, which has no init system: it starts and stops the commands of units
# (ExecStartPre, ExecStart, ExecStop, ExecReload, User, WorkingDirectory, Environment, EnvironmentFile, Type, PIDFile). What a
# unit says about dependencies, restarts and limits is left out. A unit's output is in /var/log/units/UNIT.log.
set -u
state=/run/units
logs=/var/log/units
mkdir -p "$state" "$logs"

find_unit() {
  for directory in /etc/systemd/system /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
    [ -f "$directory/$1" ] && { echo "$directory/$1"; return 0; }
  done
  case $1 in
    *@*.service) find_unit "${1%%@*}@.service" && return 0 ;;
  esac
  return 1
}

# All values of a key of the [Service] section, one a line; an empty value forgets those before it.
values() {
  cat "$file" "/etc/systemd/system/$unit.d/"*.conf 2>/dev/null | sed -e ':a' -e '/\\$/N; s/\\\n/ /; ta' | awk -v key="$2" -v section="[$1]" '
    /^[ \t]*[#;]/ { next }
    /^\[/ { inside = ($0 == section); next }
    inside {
      at = index($0, "="); if (!at) next
      name = substr($0, 1, at - 1); value = substr($0, at + 1)
      gsub(/^[ \t]+|[ \t]+$/, "", name); gsub(/^[ \t]+|[ \t]+$/, "", value)
      if (name != key) next
      if (value == "") { n = 0; next }
      list[n++] = value
    }
    END { for (i = 0; i < n; i++) print list[i] }' | sed "s|%i|$instance|g; s|%I|$instance|g; s|%n|$unit|g; s|%N|${unit%.service}|g; s|%%|%|g"
}

value() { values Service "$1" | tail -n 1; }

alive() { [ -s "$state/$unit.pid" ] && kill -0 "$(cat "$state/$unit.pid")" 2>/dev/null; }

active() { alive || [ -e "$state/$unit.remains" ]; }

# Runs the commands of a key, one after the other, each with the unit's settings; a leading - forgives its failure.
commands() {
  values Service "$1" | {
    while IFS= read -r line; do
      run "$2" "$line" || exit 1
    done
  }
}

# run MODE COMMAND: MODE is `wait`, or `serve` for the process that is the service.
run() {
  line=$2 forgiven=
  while :; do
    case $line in
      -*) forgiven=1; line=${line#-} ;;
      [@:+!]*) line=${line#?} ;;
      *) break ;;
    esac
  done
  directory=$(value WorkingDirectory) user=$(value User)
  case $directory in
    -*) directory=${directory#-}; [ -d "$directory" ] || directory=/ ;;
    '' | '~') directory=/ ;;
  esac
  {
    echo "set -a"
    values Service EnvironmentFile | while IFS= read -r from; do
      case $from in
        -*) [ -f "${from#-}" ] && echo ". '${from#-}'" ;;
        *) echo ". '$from' || exit 1" ;;
      esac
    done
    values Service Environment | sed 's/^/export /'
    echo "set +a"
    echo "MAINPID=$(cat "$state/$unit.pid" 2>/dev/null)"
    echo "cd '$directory' || exit 200"
    echo "exec $line"
  } >"$state/$unit.sh"
  set -- "$1" /bin/sh "$state/$unit.sh"
  mode=$1
  shift
  if [ -n "$user" ] && [ "$user" != root ]; then
    id "$user" >/dev/null 2>&1 || { echo "Failed to determine user credentials: $user" >>"$logs/$unit.log"; return 1; }
    chmod 644 "$state/$unit.sh"
    set -- /usr/bin/sudo -u "$user" "$@"
  fi
  if [ "$mode" = serve ]; then
    setsid env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOST_IP="${HOST_IP:-}" \
      "$@" </dev/null >>"$logs/$unit.log" 2>&1 &
    echo $! >"$state/$unit.pid"
    return 0
  fi
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOST_IP="${HOST_IP:-}" \
    "$@" </dev/null >>"$logs/$unit.log" 2>&1 || [ -n "$forgiven" ]
}

failed() {
  echo "Job for $unit failed. See \"systemctl status $unit\" and \"journalctl -xe\" for details." >&2
  tail -n 5 "$logs/$unit.log" >&2
  touch "$state/$unit.failed"
  return 1
}

start() {
  active && return 0
  rm -f "$state/$unit.failed" "$state/$unit.remains" "$state/$unit.pid"
  commands ExecStartPre wait || { failed; return 1; }
  type=$(value Type)
  case $type in
    oneshot)
      commands ExecStart wait || { failed; return 1; }
      case $(value RemainAfterExit) in yes | true | 1 | on) touch "$state/$unit.remains" ;; esac
      ;;
    forking)
      commands ExecStart wait || { failed; return 1; }
      pid_file=$(value PIDFile)
      if [ -n "$pid_file" ]; then
        tries=50
        while [ ! -s "$pid_file" ] && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.1; done
        cat "$pid_file" >"$state/$unit.pid" || { failed; return 1; }
      else
        touch "$state/$unit.remains"
      fi
      ;;
    *)
      line=$(value ExecStart)
      [ -n "$line" ] || { failed; return 1; }
      run serve "$line" || { failed; return 1; }
      # A notifying service says when it is ready; here it is ready when it still lives.
      case $type in notify* | exec) sleep 0.3; alive || { failed; return 1; } ;; esac
      ;;
  esac
  commands ExecStartPost wait || { failed; return 1; }
}

stop() {
  rm -f "$state/$unit.failed"
  active || return 0
  commands ExecStop wait
  rm -f "$state/$unit.remains"
  if alive; then
    pid=$(cat "$state/$unit.pid")
    kill -s "$(value KillSignal | sed 's/^SIG//' | grep . || echo TERM)" -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null
    limit=$(value TimeoutStopSec | sed 's/s$//')
    case $limit in '' | *[!0-9]*) limit=90 ;; esac
    tenths=$((limit * 10))
    while kill -0 "$pid" 2>/dev/null && [ $tenths -gt 0 ]; do tenths=$((tenths - 1)); sleep 0.1; done
    kill -KILL -- "-$pid" 2>/dev/null
  fi
  rm -f "$state/$unit.pid"
  return 0
}

reload() {
  if [ -n "$(value ExecReload)" ]; then commands ExecReload wait; else echo "Failed to reload $unit: Job type reload is not applicable for unit $unit." >&2; return 1; fi
}

shown() {
  if alive; then echo "     Active: active (running)"; echo "   Main PID: $(cat "$state/$unit.pid")"; return 0; fi
  if [ -e "$state/$unit.remains" ]; then echo "     Active: active (exited)"; return 0; fi
  if [ -e "$state/$unit.failed" ]; then echo "     Active: failed"; return 3; fi
  echo "     Active: inactive (dead)"
  return 3
}

quiet= now= action=
while [ $# -gt 0 ]; do
  case $1 in
    -q | --quiet) quiet=1 ;;
    --now) now=1 ;;
    --version) echo "systemd 0 (stand-in of the sandbox)"; exit 0 ;;
    -*) ;;
    *) break ;;
  esac
  shift
done
action=${1:-list-units}
[ $# -eq 0 ] || shift
case $action in
  daemon-reload | daemon-reexec | reset-failed | preset | set-default) exit 0 ;;
  is-system-running) echo running; exit 0 ;;
  list-units | list-unit-files | --failed)
    for pid in "$state"/*.pid; do [ -e "$pid" ] && basename "$pid" .pid; done
    exit 0
    ;;
  poweroff | reboot | halt | kexec | suspend) echo "Failed to $action: a host of the sandbox has no init system" >&2; exit 1 ;;
esac

code=0
for name in "$@"; do
  case $name in
    --now) now=1; continue ;;
    -q | --quiet) quiet=1; continue ;;
    -*) continue ;;
    *.service | *.socket | *.target | *.timer | *.mount | *.path) unit=$name ;;
    *) unit=$name.service ;;
  esac
  instance=
  case $unit in *@*) instance=${unit#*@}; instance=${instance%.service} ;; esac
  if ! file=$(find_unit "$unit"); then
    case $action in
      is-active | is-failed) [ -n "$quiet" ] || echo inactive; code=3 ;;
      is-enabled) echo "Failed to get unit file state for $unit: No such file or directory" >&2; code=1 ;;
      status) echo "Unit $unit could not be found." >&2; code=4 ;;
      try-restart | condrestart | try-reload-or-restart) ;;
      mask | unmask) ;;
      enable | disable) echo "Failed to $action unit: Unit file $unit does not exist." >&2; code=1 ;;
      stop) echo "Failed to stop $unit: Unit $unit not loaded." >&2; code=5 ;;
      *) echo "Failed to $action $unit: Unit $unit not found." >&2; code=5 ;;
    esac
    continue
  fi
  case $unit in *.service) ;; *) [ "$action" != is-active ] || { [ -n "$quiet" ] || echo inactive; code=3; }; continue ;; esac
  case $action in
    start) start || code=1 ;;
    stop | kill) stop || code=1 ;;
    restart | force-reload) stop; start || code=1 ;;
    try-restart | condrestart) if active; then stop; start || code=1; fi ;;
    reload) reload || code=1 ;;
    reload-or-restart | reload-or-try-restart | try-reload-or-restart)
      if active && [ -n "$(value ExecReload)" ]; then reload || code=1; else stop; start || code=1; fi
      ;;
    enable | reenable) touch "/etc/systemd/system/.enabled.$unit"; [ -z "$now" ] || start || code=1 ;;
    disable) rm -f "/etc/systemd/system/.enabled.$unit"; [ -z "$now" ] || stop ;;
    mask | unmask) ;;
    is-enabled)
      if [ -e "/etc/systemd/system/.enabled.$unit" ]; then [ -n "$quiet" ] || echo enabled; else [ -n "$quiet" ] || echo disabled; code=1; fi
      ;;
    is-active)
      if active; then [ -n "$quiet" ] || echo active
      elif [ -e "$state/$unit.failed" ]; then [ -n "$quiet" ] || echo failed; code=3
      else [ -n "$quiet" ] || echo inactive; code=3; fi
      ;;
    is-failed) if [ -e "$state/$unit.failed" ]; then [ -n "$quiet" ] || echo failed; else [ -n "$quiet" ] || echo inactive; code=1; fi ;;
    status) echo "* $unit - $(values Unit Description)"; shown || code=$? ;;
    show) echo "MainPID=$(cat "$state/$unit.pid" 2>/dev/null || echo 0)"; active && echo ActiveState=active || echo ActiveState=inactive ;;
    cat) cat "$file" ;;
    *) echo "Unknown command verb $action." >&2; code=1 ;;
  esac
done
exit $code
