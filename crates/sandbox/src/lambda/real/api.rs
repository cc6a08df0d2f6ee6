//! The runtime API: what a runtime asks for work, and whom it tells what came of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::super::environment::ANSWER;

/// What a runtime says.
pub(super) enum Heard {
    /// It is ready for an invocation; the answer to this is one.
    Next(oneshot::Sender<Invocation>),
    /// The function answered.
    Response(Bytes),
    /// The answer is larger than it may be.
    TooLarge,
    /// The function failed.
    Error(Bytes),
    /// There will be no function.
    InitError(Bytes),
}

/// An invocation as a runtime gets it.
pub(super) struct Invocation {
    pub headers: Vec<(&'static str, String)>,
    pub event: Bytes,
}

/// The endpoint of one environment.
pub(super) struct Endpoint {
    pub address: SocketAddr,
    pub heard: mpsc::Receiver<Heard>,
    desk: Arc<Desk>,
    server: AbortHandle,
}

struct Desk {
    heard: mpsc::Sender<Heard>,
    /// The request that is being worked on.
    current: Mutex<String>,
}

impl Endpoint {
    pub async fn open() -> io::Result<Endpoint> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, heard) = mpsc::channel(8);
        let desk = Arc::new(Desk { heard: sender, current: Mutex::default() });
        let server = tokio::spawn(serve(listener, desk.clone())).abort_handle();
        Ok(Endpoint { address, heard, desk, server })
    }

    /// From now on answers to this request are taken.
    pub fn expects(&self, request: &str) {
        request.clone_into(&mut self.desk.current.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    drop(stream.set_nodelay(true));
                    let desk = desk.clone();
                    let service = service_fn(move |request| answer(desk.clone(), request));
                    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    connections.spawn(async move { drop(connection.await) });
                }
                // Out of descriptors: no reason to end.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or_default().to_owned();
    let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
    let parts: Vec<&str> = match (parts.method, path.as_str()) {
        (Method::GET, "invocation/next") => {
            let (sender, invocation) = oneshot::channel();
            desk.heard.send(Heard::Next(sender)).await.map_err(|_| gone(()))?;
            return Ok(given(invocation.await.map_err(|_| gone(()))?));
        }
        (Method::POST, path) => path.split('/').collect(),
        _ => return Ok(refused(404, "NotFound", "there is no such path")),
    };
    let body = Limited::new(body, ANSWER).collect().await.map(http_body_util::Collected::to_bytes);
    let heard = match (&parts[..], body) {
        (["init", "error"], Ok(body)) => Heard::InitError(body),
        (["init", "error"], Err(_)) => Heard::InitError(Bytes::from_static(b"{}")),
        (["invocation", id, "response" | "error"], _) if !desk.is_current(id) => {
            return Ok(refused(400, "InvalidRequestID", "Invalid request ID"));
        }
        (["invocation", _, "response"], Ok(body)) => Heard::Response(body),
        (["invocation", _, "error"], Ok(body)) => Heard::Error(body),
        (["invocation", _, "response" | "error"], Err(_)) => {
            desk.heard.send(Heard::TooLarge).await.map_err(|_| gone(()))?;
            let message = format!("Exceeded maximum allowed payload size ({ANSWER} bytes).");
            return Ok(refused(413, "RequestEntityTooLarge", &message));
        }
        _ => return Ok(refused(404, "NotFound", "there is no such path")),
    };
    desk.heard.send(heard).await.map_err(|_| gone(()))?;
    Ok(written(202, r#"{"status":"OK"}"#.to_owned()))
}

impl Desk {
    fn is_current(&self, id: &str) -> bool {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) == id
    }
}

fn given(invocation: Invocation) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(invocation.event));
    for (name, value) in invocation.headers {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn refused(status: u16, kind: &str, message: &str) -> Response<Full<Bytes>> {
    written(status, serde_json::json!({ "errorMessage": message, "errorType": kind }).to_string())
}

fn written(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
