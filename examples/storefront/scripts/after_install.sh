#!/bin/sh
# Refuses code that this host's Python cannot read, before it is started.
. "$(dirname "$0")/common.sh"

cd "$root/srv/storefront"
python -c 'import sys; [compile(open(f, "rb").read(), f, "exec") for f in sys.argv[1:]]' storefront.py shop.py orders.py
