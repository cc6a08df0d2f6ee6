"""A roll over three hosts, one at a time: what shipit, and what the stock commands, add to CodeDeploy's own time."""

import json
import pathlib
import socket
import statistics
import sys
import tempfile
import time

from world import BUCKET, FLEET, SHIPIT, Served, make_fleet, pipeline, write_app

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def own_time(deploy, ident):
    info = deploy.get_deployment(deploymentId=ident)["deploymentInfo"]
    assert info["status"] == "Succeeded", info
    return (info["completeTime"] - info["createTime"]).total_seconds()


def newest(deploy):
    return deploy.list_deployments(applicationName="shop", deploymentGroupName="web")["deployments"][0]


with tempfile.TemporaryDirectory() as place:
    place = pathlib.Path(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = Served(place)
    try:
        make_fleet(world, 3, port)
        deploy = world.client("codedeploy")
        pipeline(place, FLEET)
        while len([i for i in world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]["Instances"]
                   if i["LifecycleState"] == "InService"]) < 3:
            time.sleep(1)
        ours, theirs = [], []
        for number in range(rounds + 1):
            write_app(place / "app", f"ours{number}")
            took, memory, _ = world.run([SHIPIT, "deploy", "--release", f"ours{number}"], place)
            if number > 0:  # the first tells CodeDeploy and shipit how long it takes
                ours.append((took - own_time(deploy, newest(deploy)), memory))
            if number == rounds:
                break
            write_app(place / "app", f"theirs{number}")
            began = time.monotonic()
            world.run(["aws", "deploy", "push", "--application-name", "shop", "--source", "app",
                       "--s3-location", f"s3://{BUCKET}/theirs{number}.zip"], place)
            out = world.run(["aws", "deploy", "create-deployment", "--application-name", "shop",
                             "--deployment-group-name", "web", "--s3-location",
                             f"bucket={BUCKET},key=theirs{number}.zip,bundleType=zip"], place)[2]
            ident = json.loads(out)["deploymentId"]
            world.run(["aws", "deploy", "wait", "deployment-successful", "--deployment-id", ident], place)
            theirs.append(time.monotonic() - began - own_time(deploy, ident))
    finally:
        world.stop()
added = [row[0] for row in ours]
print(f"rolling shipit adds: median {statistics.median(added):.1f} s, worst {max(added):.1f} s, {max(row[1] for row in ours):.0f} MB")
print(f"rolling aws CLI adds: median {statistics.median(theirs):.1f} s, worst {max(theirs):.1f} s")
