// Runs a Node.js function: asks the runtime API for invocations and answers them, one after the other.
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, where, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host, port, method, agent, headers, path: "/2018-06-01/runtime" + where };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

function told(error) {
  const trace = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  const errorType = error instanceof Error ? error.name : typeof error;
  return { errorType, errorMessage: error instanceof Error ? error.message : String(error), trace };
}

function fail(where, error) {
  const what = told(error);
  console.error(`ERROR\t${what.errorType}: ${what.errorMessage}\n${what.trace.slice(1).join("\n")}`);
  const headers = { "content-type": "application/json", "lambda-runtime-function-error-type": what.errorType };
  return ask("POST", where, JSON.stringify(what), headers);
}

function named(name, message) {
  return Object.assign(new Error(message), { name, stack: "" });
}

async function load(handler) {
  const at = handler.lastIndexOf(".");
  if (at < 1) throw named("Runtime.MalformedHandlerName", "Bad handler");
  const [module, name] = [handler.slice(0, at), handler.slice(at + 1)];
  const base = path.join(process.env.LAMBDA_TASK_ROOT, module);
  const file = [".mjs", ".cjs", ".js"].map((end) => base + end).find((file) => fs.existsSync(file));
  if (!file) throw named("Runtime.ImportModuleError", `Error: Cannot find module '${module}'`);
  const loaded = await import(pathToFileURL(file));
  const found = loaded[name] ?? loaded.default?.[name];
  if (!found) throw named("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  if (typeof found !== "function") throw named("Runtime.HandlerNotFound", `${handler} is not a function`);
  return found;
}

function context(headers) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const client = headers["lambda-runtime-client-context"];
  return {
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: client ? JSON.parse(client) : undefined,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

function call(found, event, about) {
  return new Promise((resolve, reject) => {
    const answer = found(event, about, (error, value) => (error ? reject(error) : resolve(value)));
    if (answer && typeof answer.then === "function") answer.then(resolve, reject);
    else if (answer !== undefined && found.length < 3) resolve(answer);
    else if (found.length < 3) resolve(undefined);
  });
}

let found;
try {
  found = await load(process.env._HANDLER);
} catch (error) {
  await fail("/init/error", error);
  process.exit(1);
}
for (;;) {
  const next = await ask("GET", "/invocation/next");
  const about = context(next.headers);
  process.env._X_AMZN_TRACE_ID = next.headers["lambda-runtime-trace-id"] ?? "";
  const where = "/invocation/" + about.awsRequestId;
  try {
    const answer = await call(found, JSON.parse(next.body), about);
    await ask("POST", where + "/response", JSON.stringify(answer ?? null));
  } catch (error) {
    await fail(where + "/error", error);
  }
}
