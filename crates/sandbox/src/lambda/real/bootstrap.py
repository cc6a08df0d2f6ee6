"""Runs a Python function: asks the runtime API for invocations and answers them, one after the other."""

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime"


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = json.loads(client) if client else None
        self.identity = None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class LogLines(logging.Handler):
    request = ""

    def emit(self, record):
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        print(f"[{record.levelname}]\t{at}.{int(record.msecs):03d}Z\t{self.request}\t{self.format(record)}")


def described(error, request=None):
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__ and "importlib" not in frame.filename]
    told = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request or "",
        "stackTrace": traceback.format_list(own),
    }
    print(f"[ERROR] {told['errorType']}: {told['errorMessage']}\nTraceback (most recent call last):")
    print("".join(told["stackTrace"]), end="")
    return told


def post(connection, path, body, kind=None):
    headers = {"Content-Type": "application/json"}
    if kind:
        headers["Lambda-Runtime-Function-Error-Type"] = kind
    connection.request("POST", BASE + path, body, headers)
    connection.getresponse().read()


def failure(kind, message):
    print(f"[ERROR] {kind}: {message}")
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": []}


def load(handler):
    """The function, or what is wrong with it."""
    module, dot, name = handler.rpartition(".")
    if not dot:
        return None, failure(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        return None, failure("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}")
    except SyntaxError as error:
        return None, failure("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}")
    except Exception as error:
        return None, described(error)
    if not hasattr(loaded, name):
        return None, failure("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
    return getattr(loaded, name), None


def main():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    sys.stdout.reconfigure(line_buffering=True)
    lines = LogLines()
    logging.getLogger().addHandler(lines)
    connection = http.client.HTTPConnection(API)
    function, wrong = load(os.environ["_HANDLER"])
    if wrong:
        post(connection, "/init/error", json.dumps(wrong), wrong["errorType"])
        sys.exit(1)
    while True:
        connection.request("GET", BASE + "/invocation/next")
        response = connection.getresponse()
        body, context = response.read(), Context(response.headers)
        lines.request = context.aws_request_id
        os.environ["_X_AMZN_TRACE_ID"] = response.headers.get("Lambda-Runtime-Trace-Id", "")
        path = "/invocation/" + context.aws_request_id
        try:
            answer = function(json.loads(body), context)
            try:
                answer = json.dumps(answer, ensure_ascii=False).encode()
            except TypeError as error:
                raise_as = failure("Runtime.MarshalError", f"Unable to marshal response: {error}")
                raise_as["requestId"] = context.aws_request_id
                post(connection, path + "/error", json.dumps(raise_as), raise_as["errorType"])
                continue
        except Exception as error:
            told = described(error, context.aws_request_id)
            post(connection, path + "/error", json.dumps(told), told["errorType"])
            continue
        post(connection, path + "/response", answer)


main()
