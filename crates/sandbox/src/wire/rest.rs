//! REST-JSON: the operation is told by method and path, its members lie in the path, the query, headers and a JSON body.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{Malformed, json, percent};
use crate::doc::Doc;

/// What a service's model says about its wire form.
#[derive(Debug)]
pub struct Model {
    /// Its operations.
    pub routes: &'static [Route],
    /// Errors whose text is called `Message`; that of all others is called `message`.
    pub capital: &'static [&'static str],
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its name.
    pub operation: &'static str,
    method: &'static str,
    path: &'static str,
    /// The status of a success.
    pub status: u16,
    query: &'static [&'static str],
    lists: &'static [(&'static str, &'static str)],
    headers: &'static [(&'static str, &'static str)],
    only: &'static str,
    is_raw: bool,
}

impl Route {
    /// An operation; `{Name}` in the path is a member.
    pub const fn new(operation: &'static str, method: &'static str, path: &'static str, status: u16) -> Route {
        Route { operation, method, path, status, query: &[], lists: &[], headers: &[], only: "", is_raw: false }
    }

    /// Members in the query, which are called the same there.
    pub const fn query(mut self, names: &'static [&'static str]) -> Route {
        self.query = names;
        self
    }

    /// Lists in the query: the name there, which is repeated, and the member.
    pub const fn lists(mut self, names: &'static [(&'static str, &'static str)]) -> Route {
        self.lists = names;
        self
    }

    /// Members in headers: the header in lower case, and the member.
    pub const fn headers(mut self, names: &'static [(&'static str, &'static str)]) -> Route {
        self.headers = names;
        self
    }

    /// Only requests that have this in their query mean this operation. It has to stand before those that share its path.
    pub const fn only(mut self, name: &'static str) -> Route {
        self.only = name;
        self
    }

    /// The body is no document.
    pub const fn raw(mut self) -> Route {
        self.is_raw = true;
        self
    }

    /// The members in the path; nothing if it is another one's.
    fn labels(&self, method: &str, path: &str) -> Option<Vec<(String, Doc)>> {
        if method != self.method {
            return None;
        }
        let mut wanted = self.path.split('/');
        let mut given = path.strip_suffix('/').unwrap_or(path).split('/');
        let mut labels = Vec::new();
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return Some(labels),
                (Some(wanted), Some(given)) => match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) if !given.is_empty() => labels.push((name.to_owned(), plain(given).into())),
                    None if wanted == given => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    }
}

impl Model {
    /// The operation of a request and its input; nothing if no operation has this method and path.
    ///
    /// # Errors
    /// The body is not the JSON that it should be.
    pub fn decode(&self, request: &Request<Bytes>) -> Result<Option<(&'static Route, Doc)>, Malformed> {
        let query: Vec<(String, String)> = percent::pairs(request.uri().query().unwrap_or_default()).collect();
        let has = |name: &str| name.is_empty() || query.iter().any(|(given, _)| given == name);
        let found = self.routes.iter().filter(|route| has(route.only)).find_map(|route| {
            route.labels(request.method().as_str(), request.uri().path()).map(|labels| (route, labels))
        });
        let Some((route, labels)) = found else { return Ok(None) };
        let mut input = if route.is_raw { Doc::Map(Vec::new()) } else { json::decode(request.body())? };
        for (name, value) in labels {
            input.set(&name, value);
        }
        for (name, value) in query.iter().filter(|(name, _)| route.query.contains(&name.as_str())) {
            input.set(name, value);
        }
        for (name, member) in route.lists {
            let values: Vec<&String> =
                query.iter().filter(|(given, _)| given == name).map(|(_, value)| value).collect();
            input.set(member, values);
        }
        for (name, member) in route.headers {
            if let Some(value) = request.headers().get(*name).and_then(|value| value.to_str().ok()) {
                input.set(member, value);
            }
        }
        Ok(Some((route, input)))
    }

    /// The status of an operation's success.
    pub fn status(&self, operation: &str) -> u16 {
        self.routes.iter().find(|route| route.operation == operation).map_or(200, |route| route.status)
    }

    /// The body of an error.
    pub fn error(&self, code: &str, message: &str, details: &[(&'static str, String)]) -> String {
        let name = if self.capital.contains(&code) { "Message" } else { "message" };
        let mut body: serde_json::Map<String, Value> =
            details.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
        body.insert(name.to_owned(), message.into());
        Value::Object(body).to_string()
    }
}

fn plain(part: &str) -> String {
    String::from_utf8_lossy(&percent::decode(part)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::doc;

    const MODEL: Model = Model {
        routes: &[
            Route::new("ListThings", "GET", "/2015-03-31/things", 200).query(&["Marker"]),
            Route::new("ListParts", "GET", "/2015-03-31/things/{Name}/parts", 200).only("List"),
            Route::new("GetPart", "GET", "/2015-03-31/things/{Name}/parts", 200),
            Route::new("Send", "POST", "/2015-03-31/things/{Name}", 202).headers(&[("x-kind", "Kind")]).raw(),
            Route::new("Untag", "DELETE", "/tags/{Name}", 204).lists(&[("tagKeys", "TagKeys")]),
        ],
        capital: &["NotFound"],
    };

    fn read(method: &str, uri: &str, body: &str) -> Option<(&'static str, Doc)> {
        let request = Request::builder().method(method).uri(uri).header("x-kind", "k");
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        MODEL.decode(&request).unwrap().map(|(route, input)| (route.operation, input))
    }

    #[test]
    fn members_lie_in_many_places() {
        assert_eq!(
            read("GET", "/2015-03-31/things/?Marker=a&Other=b", ""),
            Some(("ListThings", doc! { "Marker" => "a" }))
        );
        let arn = "/2015-03-31/things/arn%3Aaws%3A1:x";
        assert_eq!(read("POST", arn, "no json"), Some(("Send", doc! { "Name" => "arn:aws:1:x", "Kind" => "k" })));
        let part = doc! { "a" => 1, "Name" => "n" };
        assert_eq!(read("GET", "/2015-03-31/things/n/parts", r#"{"a":1}"#), Some(("GetPart", part)));
        assert_eq!(read("GET", "/2015-03-31/things/n/parts?List=ALL", "").map(|read| read.0), Some("ListParts"));
        let keys = doc! { "Name" => "n", "TagKeys" => vec!["a", "b"] };
        assert_eq!(read("DELETE", "/tags/n?tagKeys=a&tagKeys=b", ""), Some(("Untag", keys)));
        for (method, uri) in [("PUT", "/2015-03-31/things"), ("GET", "/"), ("GET", "/2015-03-31/things//parts")] {
            assert_eq!(read(method, uri, ""), None, "{uri}");
        }
        let bad = Request::builder().uri("/2015-03-31/things").body(Bytes::from("[")).unwrap();
        assert!(MODEL.decode(&bad).is_err());
    }

    #[test]
    fn the_text_of_an_error_has_two_names() {
        assert_eq!(MODEL.error("Other", "a", &[("Type", "User".to_owned())]), r#"{"Type":"User","message":"a"}"#);
        assert_eq!(MODEL.error("NotFound", "a", &[]), r#"{"Message":"a"}"#);
        assert_eq!(MODEL.status("Send"), 202);
    }
}
