//! Answers that are not the service's own: what a proxy or a gateway between it and its caller makes of them.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::protocol::uuid;
use crate::faults::Page;
use crate::world::ApiError;

/// What a caller gets instead of the service's answer.
pub(super) enum Instead {
    /// An error of the service.
    Error(ApiError),
    /// Somebody else's page.
    Page(Page),
    /// Half of the service's answer.
    Half,
}

impl Instead {
    /// The answer, made from the service's own if the call had its effect.
    pub(super) fn of(
        self,
        own: Option<Response<Bytes>>,
        id: u128,
        refuse: impl Fn(ApiError) -> Response<Bytes>,
    ) -> Response<Bytes> {
        match self {
            Instead::Error(error) => refuse(error),
            Instead::Page(page) => response_of(page, id),
            Instead::Half => own.map(half).unwrap_or_default(),
        }
    }
}

fn response_of(page: Page, id: u128) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(page.body));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Ok(kind) = HeaderValue::from_str(&page.content_type)
        && !kind.is_empty()
    {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    if let Ok(id) = HeaderValue::from_str(&uuid(id))
        && page.has_request_id
    {
        response.headers_mut().insert("x-amzn-requestid", id.clone());
        response.headers_mut().insert("x-amz-request-id", id);
    }
    response
}

fn half(mut response: Response<Bytes>) -> Response<Bytes> {
    let length = response.body().len() / 2;
    response.body_mut().truncate(length);
    if response.headers().contains_key(CONTENT_LENGTH) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}
