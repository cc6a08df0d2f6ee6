//! Objects and journals, as shipit and its users write them.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};
use base64::Engine;
use sha2::{Digest, Sha256};

use crate::{serve, serve_bucket};

/// Status and code of a refusal.
fn refused<T, E: std::fmt::Debug>(result: Result<T, SdkError<E>>) -> (u16, Option<String>)
where
    SdkError<E>: ProvideErrorMetadata,
{
    let error = result.err().unwrap();
    let status = error.raw_response().unwrap().status().as_u16();
    (status, error.code().map(str::to_owned))
}

fn code(status: u16, code: &str) -> (u16, Option<String>) {
    (status, Some(code.to_owned()))
}

async fn text(client: &Client, key: &str) -> String {
    let got = client.get_object().bucket("bkt").key(key).send().await.unwrap();
    String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_journal_is_written_by_one() {
    let (sandbox, _, client) = serve_bucket().await;
    let put = |key: &str, body: &'static str| {
        client.put_object().bucket("bkt").key(key).body(body.as_bytes().to_vec().into())
    };
    let first = put("journal/1", "one").if_none_match("*").send().await.unwrap();
    assert_eq!(refused(put("journal/1", "two").if_none_match("*").send().await), code(412, "PreconditionFailed"));
    assert_eq!(text(&client, "journal/1").await, "one");
    assert_eq!(refused(put("lock", "x").if_match("\"e\"").send().await), code(404, "NoSuchKey"));
    put("journal/1", "two").if_match(first.e_tag().unwrap()).send().await.unwrap();
    let stale = put("journal/1", "three").if_match(first.e_tag().unwrap()).send().await;
    assert_eq!(refused(stale), code(412, "PreconditionFailed"));
    assert_eq!(refused(put("journal/1", "x").if_match("*").send().await), code(501, "NotImplemented"));
    put("journal/2", "next").send().await.unwrap();
    let after =
        client.list_objects_v2().bucket("bkt").prefix("journal/").start_after("journal/1").send().await.unwrap();
    assert_eq!(after.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["journal/2"]);
    let head = client.head_object().bucket("bkt").key("none").send().await;
    assert!(head.unwrap_err().into_service_error().is_not_found());
    assert_eq!(sandbox.call_log().len(), 11);
}

#[tokio::test]
async fn bundles_come_back_as_they_were_however_they_are_sent() {
    let (_sandbox, _, client) = serve_bucket().await;
    let content: Vec<u8> = (0..6_000_000u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let file = std::env::temp_dir().join(format!("shipit-wire-{}", std::process::id()));
    std::fs::write(&file, &content).unwrap();
    let sum = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&content));
    // The sum is known: a plain body with a header.
    let body = ByteStream::read_from().path(&file).build().await.unwrap();
    let put = client.put_object().bucket("bkt").key("known").checksum_sha256(&sum).if_none_match("*").body(body);
    assert_eq!(put.send().await.unwrap().checksum_sha256(), Some(sum.as_str()));
    // It is not: signed chunks with the sum in a trailer.
    for (key, algorithm) in [("default", None), ("asked", Some(ChecksumAlgorithm::Sha256))] {
        let body = ByteStream::read_from().path(&file).build().await.unwrap();
        let put = client.put_object().bucket("bkt").key(key).set_checksum_algorithm(algorithm).body(body);
        put.send().await.unwrap();
    }
    in_parts(&client, &file, content.len() as u64).await;
    std::fs::remove_file(&file).unwrap();
    for key in ["known", "default", "asked", "parts"] {
        let got = client.get_object().bucket("bkt").key(key).checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert!(got.body.collect().await.unwrap().into_bytes() == content, "{key}");
    }
    let wrong = client.put_object().bucket("bkt").key("x").checksum_sha256(&sum).body(ByteStream::from_static(b"x"));
    assert_eq!(refused(wrong.send().await), code(400, "BadDigest"));
}

async fn in_parts(client: &Client, file: &std::path::Path, size: u64) {
    const PART: u64 = 5 << 20;
    let create =
        client.create_multipart_upload().bucket("bkt").key("parts").checksum_algorithm(ChecksumAlgorithm::Sha256);
    let id = create.send().await.unwrap().upload_id.unwrap();
    let upload = |number: i32| {
        let offset = PART * (number as u64 - 1);
        let put = client.upload_part().bucket("bkt").key("parts").upload_id(&id).part_number(number);
        async move {
            let length = Length::Exact(PART.min(size - offset));
            let body = ByteStream::read_from().path(file).offset(offset).length(length).build().await.unwrap();
            let put = put.checksum_algorithm(ChecksumAlgorithm::Sha256).body(body).send().await.unwrap();
            let part = CompletedPart::builder().part_number(number).set_e_tag(put.e_tag);
            part.set_checksum_sha256(put.checksum_sha256).build()
        }
    };
    let parts = futures_util::future::join_all([1, 2].map(upload)).await;
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket("bkt").key("parts").upload_id(&id);
    let complete = complete.multipart_upload(parts).if_none_match("*");
    assert!(complete.clone().send().await.unwrap().checksum_sha256().unwrap().ends_with("-2"));
    // S3 says the same once more to whoever did not hear the first answer.
    assert!(complete.send().await.unwrap().checksum_sha256().unwrap().ends_with("-2"));
}

#[tokio::test]
async fn each_protocol_is_spoken() {
    let (_sandbox, _, config) = serve().await;
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("111122223333"));
    let json = aws_sdk_codedeploy::Client::new(&config).list_git_hub_account_token_names().send().await;
    assert_eq!(refused(json), code(400, "UnknownOperationException"));
    let cbor = aws_sdk_cloudwatch::Client::new(&config).list_dashboards().send().await;
    assert_eq!(refused(cbor), code(400, "UnknownOperationException"));
    let query = aws_sdk_autoscaling::Client::new(&config).describe_account_limits().send().await;
    assert_eq!(refused(query), code(400, "InvalidAction"));
}
