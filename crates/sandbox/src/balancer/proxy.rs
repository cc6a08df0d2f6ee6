//! The proxy: HTTP/1.1 in, HTTP/1.1 out, bodies streamed, one fresh connection to the target per request.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::hosts::Backend;
use super::super::later::Later;
use super::super::world::{Site, World};
use super::counts::{self, Outcome};
use super::route::{self, Route};

/// How long a target may take until it begins to answer, in wire time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read as a whole when there are no sockets to stream it to.
const WHOLE: usize = 16 << 20;

type Streamed = Either<Full<Bytes>, Incoming>;

/// The open port of a listener; closed when this is dropped. Connections that exist then stay and are told 503.
pub(crate) struct Door {
    accepting: AbortHandle,
}

impl Door {
    /// Opens a port on loopback and serves it.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub fn open(world: &Arc<World>, site: &Site, listener: &str, port: u16) -> io::Result<Door> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nonblocking(true)?;
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let task = tokio::spawn(accept(socket, Later::of(world), site.clone(), listener.to_owned()));
        Ok(Door { accepting: task.abort_handle() })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(socket: tokio::net::TcpListener, later: Later, site: Site, listener: String) {
    let (site, listener): (Arc<Site>, Arc<str>) = (Arc::new(site), listener.into());
    loop {
        let Ok((stream, client)) = socket.accept().await else {
            // Out of file descriptors: others will be closed.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (later, site, listener) = (later.clone(), site.clone(), listener.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| pass(&later, &site, &listener, client, request));
            // An error here is the client's: it went away or spoke no HTTP.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass(
    later: &Later,
    site: &Site,
    listener: &str,
    client: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Streamed>, Infallible> {
    let Some(world) = later.world() else { return Ok(full(own(503))) };
    let (host, path) = (host_of(&request).to_owned(), request.uri().path().to_owned());
    let chosen = route::choose(&mut world.lock(), site, listener, &host, &path);
    let way = match chosen {
        Route::Target(way) => way,
        Route::Fixed { status, content_type, body } => return Ok(full(fixed(status, content_type.as_deref(), body))),
        Route::NoTarget { load_balancer } => {
            counts::record_own(&world, site, &load_balancer, 503, 1);
            return Ok(full(own(503)));
        }
        Route::Closed => return Ok(full(own(503))),
    };
    forwarded(request.headers_mut(), client);
    let backend = world.hosts.backend(&way.instance, way.port);
    // The world may end while a target takes its time.
    drop(world);
    let (outcome, response) = through(backend, request).await;
    if let Some(world) = later.world() {
        counts::record(&world, site, &way, outcome, 1);
    }
    Ok(response)
}

async fn through(backend: Option<Backend>, request: Request<Incoming>) -> (Outcome, Response<Streamed>) {
    match backend {
        None => (Outcome::NotConnected(504), full(own(504))),
        Some(Backend::Tcp(address)) => match send(address, request).await {
            Ok((time, response)) => (Outcome::Answered(response.status().as_u16(), time), response.map(Either::Right)),
            Err(outcome) => (outcome, full(own(status_in(outcome)))),
        },
        Some(Backend::Model(app)) => {
            let (head, body) = request.into_parts();
            let Ok(body) = http_body_util::Limited::new(body, WHOLE).collect().await else {
                return (Outcome::Failed(502), full(own(502)));
            };
            match app.answer(&Request::from_parts(head, body.to_bytes())) {
                None => (Outcome::NotConnected(502), full(own(502))),
                Some(response) => {
                    (Outcome::Answered(response.status().as_u16(), Duration::from_millis(1)), full(response))
                }
            }
        }
    }
}

/// Sends a request to a target on a connection of its own, once.
async fn send<B>(address: SocketAddr, mut request: Request<B>) -> Result<(Duration, Response<Incoming>), Outcome>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let began = Instant::now();
    remove_hop_by_hop(request.headers_mut());
    *request.version_mut() = http::Version::HTTP_11;
    // What goes to a target names the path only; the host is in its header.
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = path.into();
    }
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await.map_err(|_| Outcome::NotConnected(502))?;
        let _ = stream.set_nodelay(true);
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| Outcome::Failed(502))?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|_| Outcome::Failed(502))
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(mut response)) => {
            remove_hop_by_hop(response.headers_mut());
            *response.version_mut() = http::Version::HTTP_11;
            Ok((began.elapsed(), response))
        }
        Ok(Err(outcome)) => Err(outcome),
        Err(_) => Err(Outcome::Failed(504)),
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn send_whole(address: SocketAddr, request: Request<Bytes>) -> (Outcome, Response<Bytes>) {
    match send(address, request.map(Full::new)).await {
        Err(outcome) => (outcome, own(status_in(outcome))),
        Ok((time, response)) => {
            let (head, body) = response.into_parts();
            match http_body_util::Limited::new(body, WHOLE).collect().await {
                Ok(body) => {
                    (Outcome::Answered(head.status.as_u16(), time), Response::from_parts(head, body.to_bytes()))
                }
                Err(_) => (Outcome::Failed(502), own(502)),
            }
        }
    }
}

/// The status with which a target answers; nothing if it does not.
pub(crate) async fn status_of(address: SocketAddr, request: Request<Bytes>) -> Option<StatusCode> {
    send(address, request.map(Full::new)).await.ok().map(|(_, response)| response.status())
}

/// The host that a request is for, with its port.
pub(super) fn host_of<B>(request: &Request<B>) -> &str {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    named.or(request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

/// What a listener's own action answers.
pub(super) fn fixed(status: u16, content_type: Option<&str>, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(value) = HeaderValue::from_str(content_type.unwrap_or("text/plain")) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// What a load balancer answers in the place of a target.
pub(super) fn own(status: u16) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let text = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let page = format!(
        "<html>\r\n<head><title>{text}</title></head>\r\n<body>\r\n<center><h1>{text}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = fixed(status.as_u16(), Some("text/html"), page);
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("awselb/2.0"));
    response
}

fn status_in(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Answered(status, _) | Outcome::NotConnected(status) | Outcome::Failed(status) => status,
    }
}

fn full(response: Response<Bytes>) -> Response<Streamed> {
    response.map(|body| Either::Left(Full::new(body)))
}

fn forwarded(headers: &mut HeaderMap, client: SocketAddr) {
    let before = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let chain = before.map_or_else(|| client.ip().to_string(), |before| format!("{before}, {}", client.ip()));
    if let Ok(chain) = HeaderValue::from_str(&chain) {
        headers.insert("x-forwarded-for", chain);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
}

/// Takes out what is said between neighbours and not from end to end, also what `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let fixed = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ];
    for name in named.iter().chain(&fixed) {
        headers.remove(name);
    }
}
