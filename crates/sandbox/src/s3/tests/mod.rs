//! S3 through the real SDK, in-process and in virtual time.

mod checksums;
mod chunks;
mod conditions;
mod lists;
mod multipart;
mod objects;
mod settings;
mod versions;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use crate::front::tests::{refused, with_bucket};

/// Puts a text and returns its ETag.
async fn put(client: &Client, key: &str, text: &str) -> String {
    let body = ByteStream::from(text.as_bytes().to_vec());
    client.put_object().bucket("bkt").key(key).body(body).send().await.unwrap().e_tag.unwrap()
}

/// The text of an object.
async fn get(client: &Client, key: &str) -> String {
    let got = client.get_object().bucket("bkt").key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}
