"""What a person writes with boto3 to release a function: zip, put, update, wait, publish, wait, alias."""

import io
import pathlib
import sys
import time
import zipfile

import boto3
from botocore.config import Config

directory, bucket, bake = pathlib.Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
config = Config(retries={"mode": "standard"})
s3, functions = boto3.client("s3", config=config), boto3.client("lambda", config=config)
body = io.BytesIO()
with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            archive.write(path, path.relative_to(directory))
key = f"quoter/{time.time_ns()}.zip"
s3.put_object(Bucket=bucket, Key=key, Body=body.getvalue())
functions.update_function_code(FunctionName="quoter", S3Bucket=bucket, S3Key=key)
functions.get_waiter("function_updated_v2").wait(FunctionName="quoter")
version = functions.publish_version(FunctionName="quoter")["Version"]
functions.get_waiter("function_active_v2").wait(FunctionName="quoter", Qualifier=version)
functions.update_alias(FunctionName="quoter", Name="live", FunctionVersion=version)
time.sleep(bake)
