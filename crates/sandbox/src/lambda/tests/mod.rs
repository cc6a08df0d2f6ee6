//! Functions through their API, with models, in virtual time.

mod invoking;
mod life;
mod metrics;
mod recorded;
mod records;
mod routing;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;

use super::{Invoked, MODEL, invoke};
use crate::doc::{Doc, doc};
use crate::hosts::agent::bundle::tests::zipped;
use crate::stage::Stage;
use crate::world::{ApiError, Reply};

const ROLE: &str = "arn:aws:iam::111122223333:role/fn";

/// A bundle whose model says this.
fn bundle(script: &str) -> String {
    STANDARD.encode(zipped(&[("index.py", "def handler(event, context): return event"), ("model.yml", script)]))
}

impl Stage {
    fn try_lambda(&self, operation: &str, input: Doc) -> Reply {
        self.try_call("lambda", operation, input)
    }

    fn lambda(&self, operation: &str, input: Doc) -> Doc {
        self.try_lambda(operation, input).unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// A request as it is written, and its answer: status, code, whose fault, and what the text is called.
    fn ask(&self, request: &str, body: &str) -> String {
        let (method, uri) = request.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(uri).body(Bytes::from(body.to_owned())).unwrap();
        let (route, input) = MODEL.decode(&request).unwrap().unwrap_or_else(|| panic!("no operation: {uri}"));
        match self.try_lambda(route.operation, input) {
            Ok(_) => format!("{} {}", route.status, route.operation),
            Err(error) => told(&error),
        }
    }

    /// Creates an active function with a model that says this.
    async fn function(&self, name: &str, script: &str) {
        let code = doc! { "ZipFile" => bundle(script) };
        self.lambda(
            "CreateFunction",
            doc! { "FunctionName" => name, "Role" => ROLE, "Runtime" => "python3.12", "Handler" => "index.handler", "Code" => code },
        );
        self.pass(4).await;
    }

    /// Gives it another model and publishes that; its number.
    async fn release(&self, name: &str, script: &str) -> String {
        self.lambda("UpdateFunctionCode", doc! { "FunctionName" => name, "ZipFile" => bundle(script) });
        self.pass(3).await;
        self.publish(name)
    }

    fn publish(&self, name: &str) -> String {
        self.lambda("PublishVersion", doc! { "FunctionName" => name }).text("Version").unwrap().to_owned()
    }

    fn configured(&self, name: &str) -> Doc {
        self.lambda("GetFunctionConfiguration", doc! { "FunctionName" => name })
    }

    fn alias(&self, name: &str, alias: &str, version: &str) -> Doc {
        self.lambda("CreateAlias", doc! { "FunctionName" => name, "Name" => alias, "FunctionVersion" => version })
    }

    /// Gives an alias these weights; none without a version.
    fn weigh(&self, name: &str, alias: &str, other: Option<(&str, f64)>) -> Doc {
        let weights = other.map(|(version, weight)| (version.to_owned(), Doc::Float(weight)));
        let routing = doc! { "AdditionalVersionWeights" => Doc::Map(weights.into_iter().collect()) };
        self.lambda("UpdateAlias", doc! { "FunctionName" => name, "Name" => alias, "RoutingConfig" => routing })
    }

    async fn try_invoke(&self, input: Doc, event: &str) -> Result<Invoked, ApiError> {
        let id = "00000000-0000-4000-a000-000000000001";
        invoke(&self.world, &self.scope, &input, Bytes::from(event.to_owned()), id).await
    }

    /// The version that answered, and what.
    async fn invoke(&self, name: &str) -> (String, String) {
        let invoked = self.try_invoke(doc! { "FunctionName" => name }, "{}").await.unwrap();
        let version = header(&invoked, "x-amz-executed-version").unwrap_or_default();
        (version, String::from_utf8(invoked.body.to_vec()).unwrap())
    }
}

fn header(invoked: &Invoked, name: &str) -> Option<String> {
    invoked.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
}

fn told(error: &ApiError) -> String {
    let body: serde_json::Value =
        serde_json::from_str(&MODEL.error(&error.code, &error.message, &error.details)).unwrap();
    let name = if body.get("Message").is_some() { "Message" } else { "message" };
    let whose = body["Type"].as_str().unwrap_or("-");
    format!("{} {} {whose} {name}: {}", error.status, error.code, body[name].as_str().unwrap())
}

fn texts(list: &[Doc], member: &str) -> Vec<String> {
    list.iter().map(|one| one.text(member).unwrap_or_default().to_owned()).collect()
}
