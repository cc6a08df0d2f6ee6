"""Runs a command; says on stderr how long it took and how much memory it had at most (MB)."""

import resource
import subprocess
import sys
import time

began = time.monotonic()
done = subprocess.run(sys.argv[1:])
took = time.monotonic() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"@rss {took:.3f} {usage.ru_maxrss / 1024:.1f}", file=sys.stderr)
sys.exit(done.returncode)
