"""A function's release, all at once, bake of a second: shipit beside a boto3 script, one after the other in one world."""

import pathlib
import statistics
import sys
import tempfile

from world import BUCKET, FUNCTION, SHIPIT, Served, make_function, pipeline, write_function

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
files = int(sys.argv[2]) if len(sys.argv) > 2 else 0
script = str(pathlib.Path(__file__).with_name("script_function.py"))
with tempfile.TemporaryDirectory() as place:
    place = pathlib.Path(place)
    world = Served(place)
    try:
        make_function(world)
        pipeline(place, FUNCTION)
        ours, theirs = [], []
        for number in range(rounds):
            write_function(place / "code", f"ours{number}", files)
            ours.append(world.run([SHIPIT, "deploy", "--release", f"ours{number}"], place)[:2])
            write_function(place / "code", f"theirs{number}", files)
            theirs.append(world.run([sys.executable, script, str(place / "code"), BUCKET, "1"], place)[:2])
    finally:
        world.stop()
for name, rows in [("shipit deploy", ours), ("boto3 script", theirs)]:
    seconds, memory = [row[0] for row in rows], [row[1] for row in rows]
    print(f"function {name}: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s, {max(memory):.0f} MB")
ratios = [one[0] / other[0] for one, other in zip(ours, theirs)]
print(f"function: ratio of each pair, median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}")
