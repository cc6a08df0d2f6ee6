#!/bin/sh
# Stand-in for `sudo`: whoever runs hooks is root already.
user=root
while [ $# -gt 0 ]; do
  case $1 in
    -u | --user) user=$2; shift 2 ;;
    -u*) user=${1#-u}; shift ;;
    --user=*) user=${1#--user=}; shift ;;
    -g | --group | -h | --host | -p | --prompt | -C | -T) shift 2 ;;
    -i | -s | --login | --shell) [ $# -gt 1 ] || set -- "$1" /bin/sh; shift ;;
    --) shift; break ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "usage: sudo [-u user] command" >&2; exit 1; }
if [ "$user" = root ] || [ "$user" = "#0" ]; then exec "$@"; fi
id "$user" >/dev/null 2>&1 || { echo "sudo: unknown user $user" >&2; exit 1; }
# A host of an ordinary user has one user only.
if [ "$(awk '{ n += $3 } END { print n }' /proc/self/uid_map)" = 1 ]; then exec "$@"; fi
exec runuser -u "$user" -- "$@"
