//! One request, sent once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Whoever waits longer goes away.
const PATIENCE: Duration = Duration::from_secs(10);
/// A page is not larger.
const PAGE_MAX: usize = 1 << 20;
/// Connections that are kept; they take turns, so that each lives through the whole release.
const KEPT: usize = 8;

type Sender = SendRequest<Full<Bytes>>;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A page.
    Get(&'static str),
    /// Something is bought.
    Post,
}

/// What is asked for, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What.
    pub order: Order,
    /// Whether over a connection that lives longer than the request.
    pub is_kept: bool,
}

/// How a request went.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// From the attempt to connect to the last byte, wire time.
    pub took: Duration,
    /// What `X-Release` said, or the release of the version that was called.
    pub release: Option<String>,
    /// The status, unless nothing was answered.
    pub result: Result<u16, Trouble>,
}

/// Why there was no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection.
    Refused,
    /// The connection broke before an answer.
    Reset,
    /// The connection broke within the answer.
    Incomplete,
    /// It took longer than ten seconds.
    Slow,
    /// The function that was called raised an error.
    Raised,
}

/// Somebody who visits one origin.
pub struct Client {
    address: SocketAddr,
    host: String,
    kept: Mutex<VecDeque<Sender>>,
}

impl Client {
    /// A client of `http://host:port`.
    ///
    /// # Errors
    /// The origin is none, or its name is not known.
    pub async fn new(origin: &str) -> Result<Client, String> {
        let host = origin.strip_prefix("http://").unwrap_or(origin).trim_end_matches('/').to_owned();
        let unknown = |why: std::io::Error| format!("{host} cannot be reached: {why}");
        let mut found = tokio::net::lookup_host(&host).await.map_err(unknown)?;
        // Load balancers of the sandbox listen on the older one of the two loopback addresses.
        let address = found.find(SocketAddr::is_ipv4);
        drop(found);
        let address = address.ok_or_else(|| format!("{host} has no IPv4 address"))?;
        Ok(Client { address, host, kept: Mutex::default() })
    }

    /// The host and port that it asks.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request, once.
    pub async fn ask(&self, request: Request) -> Answer {
        let began = Instant::now();
        let asked = tokio::time::timeout(PATIENCE, self.converse(request)).await;
        let (release, result) = asked.unwrap_or((None, Err(Trouble::Slow)));
        Answer { took: began.elapsed(), release, result }
    }

    async fn converse(&self, request: Request) -> (Option<String>, Result<u16, Trouble>) {
        let mut message = self.message(request.order);
        // A kept connection that the server has closed meanwhile takes nothing; then the request was not sent.
        while let Some(sender) = request.is_kept.then(|| self.take()).flatten() {
            match self.send(sender, message, true).await {
                Ok(answer) => return answer,
                Err(unsent) => message = unsent,
            }
        }
        let Ok(stream) = TcpStream::connect(self.address).await else { return (None, Err(Trouble::Refused)) };
        let _ = stream.set_nodelay(true);
        let Ok((sender, connection)) = handshake(TokioIo::new(stream)).await else {
            return (None, Err(Trouble::Reset));
        };
        tokio::spawn(connection);
        self.send(sender, message, request.is_kept).await.unwrap_or((None, Err(Trouble::Reset)))
    }

    /// Sends on a connection; gives the message back if nothing of it was sent.
    async fn send(
        &self,
        mut sender: Sender,
        message: http::Request<Full<Bytes>>,
        keep: bool,
    ) -> Result<(Option<String>, Result<u16, Trouble>), http::Request<Full<Bytes>>> {
        let response = match sender.try_send_request(message).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                Some(unsent) => return Err(unsent),
                None => return Ok((None, Err(Trouble::Reset))),
            },
        };
        let status = response.status().as_u16();
        let release = response.headers().get("x-release").and_then(|value| value.to_str().ok()).map(str::to_owned);
        if Limited::new(response.into_body(), PAGE_MAX).collect().await.is_err() {
            return Ok((release, Err(Trouble::Incomplete)));
        }
        if keep && sender.ready().await.is_ok() {
            self.put_back(sender);
        }
        Ok((release, Ok(status)))
    }

    fn message(&self, order: Order) -> http::Request<Full<Bytes>> {
        let (method, path, body) = match order {
            Order::Get(path) => (http::Method::GET, path, ""),
            Order::Post => (http::Method::POST, "/orders", "product=teapot&quantity=1"),
        };
        let mut message = http::Request::new(Full::new(Bytes::from_static(body.as_bytes())));
        *message.method_mut() = method;
        *message.uri_mut() = http::Uri::from_static(path);
        if let Ok(host) = http::HeaderValue::from_str(&self.host) {
            message.headers_mut().insert(HOST, host);
        }
        if order == Order::Post {
            let form = http::HeaderValue::from_static("application/x-www-form-urlencoded");
            message.headers_mut().insert(CONTENT_TYPE, form);
        }
        message
    }

    /// A kept connection, once there are as many as there should be; until then new ones are made.
    fn take(&self) -> Option<Sender> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|sender| !sender.is_closed());
        if kept.len() < KEPT { None } else { kept.pop_front() }
    }

    fn put_back(&self, sender: Sender) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push_back(sender);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PAGE: &str = "HTTP/1.1 200 OK\r\nX-Release: candidate\r\nContent-Length: 2\r\n\r\nok";

    /// A server that says its piece on every connection, after it has read a request, and closes.
    async fn answers(piece: &'static str) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(piece.as_bytes()).await;
            }
        });
        Client::new(&format!("http://{address}")).await.unwrap()
    }

    #[tokio::test]
    async fn what_users_meet() {
        let cases = [
            (PAGE, Some("candidate"), Ok(200)),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", None, Ok(503)),
            ("HTTP/1.1 200 OK\r\nX-Release: x\r\nContent-Length: 9\r\n\r\nok", Some("x"), Err(Trouble::Incomplete)),
            ("", None, Err(Trouble::Reset)),
        ];
        for (piece, release, result) in cases {
            let client = answers(piece).await;
            for is_kept in [false, true] {
                let answer = client.ask(Request { order: Order::Post, is_kept }).await;
                assert_eq!((answer.release.as_deref(), answer.result), (release, result), "{piece:?} {is_kept}");
            }
        }
        let nobody = Client::new("http://127.0.0.1:1").await.unwrap();
        let answer = nobody.ask(Request { order: Order::Get("/"), is_kept: false }).await;
        assert_eq!(answer.result, Err(Trouble::Refused));
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_is_noticed_before_anything_is_sent() {
        let client = answers(PAGE).await;
        for _ in 0..3 * KEPT {
            let answer = client.ask(Request { order: Order::Get("/"), is_kept: true }).await;
            assert_eq!(answer.result, Ok(200));
        }
    }
}
