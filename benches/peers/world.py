"""Worlds for the comparisons, made by boto3 in the embedded AWS, and what both sides ship."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPIT = os.environ.get("SHIPIT", str(ROOT / "target/release/shipit"))
ACCOUNT, REGION, BUCKET = "111122223333", "eu-central-1", "acme-shipit"


class Served:
    """`shipit sandbox serve` on a free port, with its environment."""

    def __init__(self, directory, speed=1):
        self.log = open(directory / "serve.log", "w")
        # A directory of its own for hosts: several worlds may run one after the other.
        command = [SHIPIT, "sandbox", "serve", "--port", "0", "--speed", str(speed)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.env = dict(os.environ)
        for line in self.process.stdout:
            name, _, value = line.strip().removeprefix("export ").partition("=")
            self.env[name] = value
            if name == "SHIPIT_CLOCK" or name == "AWS_REGION" and "SHIPIT_CLOCK" in self.env:
                pass
            if {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= self.env.keys():
                break
        self.env["AWS_REGION"] = self.env["AWS_DEFAULT_REGION"] = REGION
        self.env["PATH"] = f"{pathlib.Path(sys.executable).parent}:{self.env['PATH']}"
        self.env.pop("SHIPIT_CLOCK", None) if speed == 1 else None

    def client(self, service):
        env = self.env
        return boto3.client(
            service,
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )

    def run(self, command, cwd, codes=(0,)):
        """Runs a command in this world; its seconds, its most resident MB, and what it printed."""
        began = time.monotonic()
        timed = ["/usr/bin/env", "python3", str(ROOT / "benches/peers/rss.py"), *command]
        done = subprocess.run(timed, cwd=cwd, env=self.env, capture_output=True, text=True)
        took = time.monotonic() - began
        if done.returncode not in codes:
            raise SystemExit(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        mark = [line for line in done.stderr.splitlines() if line.startswith("@rss ")]
        seconds, rss = mark[-1].split()[1:] if mark else (took, 0)
        return float(seconds), float(rss), done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def zipped(files):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return body.getvalue()


def handler(label):
    return f"def handler(event, context):\n    return {{'release': {label!r}}}\n"


def make_function(world):
    """A bucket, and a function whose alias serves a first version."""
    world.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    functions = world.client("lambda")
    functions.create_function(
        FunctionName="quoter",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT}:role/quoter",
        Handler="app.handler",
        Code={"ZipFile": zipped({"app.py": handler("r0")})},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="quoter")
    version = functions.publish_version(FunctionName="quoter")["Version"]
    functions.create_alias(FunctionName="quoter", Name="live", FunctionVersion=version)


FUNCTION = f"""version: 1
pipeline: quoter
store: {{ bucket: {BUCKET} }}
artifacts:
  code: {{ path: code }}
environments:
  production: {{ account: "{ACCOUNT}", region: {REGION} }}
targets:
  quoter:
    function: {{ name: quoter, alias: live }}
    artifact: code
    strategy: {{ all_at_once: {{}} }}
    health: {{ bake: 1s }}
"""


def make_fleet(world, hosts, port):
    """An application on so many hosts behind a load balancer, with a deployment group that rolls one at a time."""
    s3, elb, asg, deploy = (world.client(name) for name in ("s3", "elbv2", "autoscaling", "codedeploy"))
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    balancer = elb.create_load_balancer(Name="shop", Subnets=["subnet-0a", "subnet-0b"])["LoadBalancers"][0]
    group = elb.create_target_group(
        Name="shop-hosts", Protocol="HTTP", Port=8080, VpcId="vpc-0", TargetType="instance",
        HealthCheckPath="/healthz", HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
    )
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=port,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    asg.create_launch_configuration(LaunchConfigurationName="shop", ImageId="ami-0", InstanceType="t3.micro")
    asg.create_auto_scaling_group(
        AutoScalingGroupName="shop-fleet", LaunchConfigurationName="shop", MinSize=hosts, MaxSize=hosts,
        DesiredCapacity=hosts, VPCZoneIdentifier="subnet-0a,subnet-0b", TargetGroupARNs=[group],
    )
    deploy.create_application(applicationName="shop", computePlatform="Server")
    deploy.create_deployment_group(
        applicationName="shop", deploymentGroupName="web", serviceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/codedeploy",
        autoScalingGroups=["shop-fleet"], deploymentConfigName="CodeDeployDefault.OneAtATime",
        deploymentStyle={"deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        loadBalancerInfo={"targetGroupInfoList": [{"name": "shop-hosts"}]},
    )


FLEET = f"""version: 1
pipeline: shop
store: {{ bucket: {BUCKET} }}
artifacts:
  web: {{ path: app }}
environments:
  production: {{ account: "{ACCOUNT}", region: {REGION} }}
targets:
  web:
    fleet: {{ application: shop, deployment_group: web }}
    artifact: web
    strategy:
      rolling: {{ config: CodeDeployDefault.OneAtATime }}
    health: {{ bake: 1s }}
"""


def write_app(directory, label):
    """The example shop as a bundle, labelled."""
    if directory.exists():
        shutil.rmtree(directory)
    shutil.copytree(ROOT / "examples/storefront", directory)
    (directory / "label.txt").write_text(label + "\n")


def write_function(directory, label, files=0):
    directory.mkdir(exist_ok=True)
    (directory / "app.py").write_text(handler(label))
    for number in range(files):
        path = directory / f"lib{number % 50}" / f"part{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text((f"{number} " * 600)[:2500])


def pipeline(directory, text):
    (directory / "pipelines").mkdir(exist_ok=True)
    name = json.loads(json.dumps(text.split("pipeline: ")[1].split("\n")[0]))
    (directory / "pipelines" / f"{name}.yml").write_text(text)
