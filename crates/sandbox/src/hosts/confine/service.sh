#!/bin/sh
# Stand-in for `service`: a script of /etc/init.d if there is one, else the unit of that name.
if [ "$1" = --status-all ]; then exec systemctl list-units; fi
if [ $# -lt 2 ]; then
  echo "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]" >&2
  exit 1
fi
name=$1 action=$2
shift 2
if [ -x "/etc/init.d/$name" ] && [ ! -e "/etc/systemd/system/$name.service" ]; then
  exec "/etc/init.d/$name" "$action" "$@"
fi
exec systemctl "$action" "$name"
