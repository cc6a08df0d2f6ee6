//! The front on a socket.

use std::io;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::auth::MAX_BODY;
use super::{Dropped, Sandbox};
use crate::s3;

impl Sandbox {
    /// Serves connections until the future is dropped, which ends them all.
    pub async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(self.clone().connection(stream))),
                    // Out of descriptors or a peer that gave up: neither is a reason to end.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        // Small answers must not wait for acknowledgements.
        drop(stream.set_nodelay(true));
        let service = service_fn(move |request| self.clone().over_socket(request));
        let connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), service);
        // An error is a broken connection; there is no one left to tell.
        drop(connection.await);
    }

    async fn over_socket(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let (parts, body) = request.into_parts();
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let most = match self.most_bytes(&parts) {
            Ok(most) => most,
            Err(_) if announced.is_some_and(|length| length > MAX_BODY) => return Ok(too_large(parts)),
            Err(refused) => {
                // What is short is taken in, so that the connection can be kept.
                drop(Limited::new(body, REFUSED_BODY).collect().await);
                return Ok((*refused).map(Full::new));
            }
        };
        // What announces itself as too large is not read, nor asked for if it waits to be.
        if announced.is_some_and(|length| length > most) {
            return Ok(too_large(parts));
        }
        let body = match Limited::new(body, most).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Ok(too_large(parts)),
            Err(error) => return Err(io::Error::other(error)),
        };
        match self.handle(Request::from_parts(parts, body)).await {
            Ok(response) => Ok(response.map(Full::new)),
            Err(Dropped) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
        }
    }
}

/// Most of a body that is taken in though its request is refused.
const REFUSED_BODY: usize = 64 * 1024;

/// S3 says it in its own way, all others with 413.
fn too_large(parts: Parts) -> Response<Full<Bytes>> {
    let request = Request::from_parts(parts, Bytes::new());
    let mut response = super::refuse(&request, s3::too_large(MAX_BODY), 0);
    if response.headers().contains_key("x-amzn-requestid") {
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    }
    response.map(Full::new)
}
