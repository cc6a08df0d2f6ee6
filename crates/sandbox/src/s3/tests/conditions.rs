//! The table of conditional writes.

use super::*;
use crate::front::tests::{config, make_bucket, s3, sandbox};

const NOT_HELD: &str = "412 PreconditionFailed Condition=If-None-Match";
const NO_MATCH: &str = "412 PreconditionFailed Condition=If-Match";
const WORDING: &str = "additionalMessage=We don't accept the provided value of";

#[tokio::test(start_paused = true)]
async fn puts() {
    let (_sandbox, client) = with_bucket().await;
    let write = || client.put_object().bucket("bkt").key("k").body(ByteStream::from_static(b"x"));
    assert_eq!(refused(write().if_match("\"e\"").send().await), "404 NoSuchKey Key=k");
    write().if_none_match("*").send().await.unwrap();
    assert_eq!(refused(write().if_none_match("*").send().await), NOT_HELD);
    assert_eq!(refused(write().if_match("\"e\"").send().await), NO_MATCH);
    let etag = put(&client, "k", "other").await;
    // Quoted, bare, half quoted: all the same.
    for etag in [etag.clone(), etag.trim_matches('"').to_owned(), etag.trim_end_matches('"').to_owned()] {
        put(&client, "k", "other").await;
        write().if_match(etag).send().await.unwrap();
    }
    let refusal = refused(write().if_match("*").send().await);
    assert_eq!(refusal, format!("501 NotImplemented Header=If-Match {WORDING} If-Match header for this API"));
    let refusal = refused(write().if_none_match("\"e\"").send().await);
    assert_eq!(refusal, format!("501 NotImplemented Header=If-None-Match {WORDING} If-None-Match header for this API"));
    let refusal = refused(write().if_none_match("*").if_match("e").send().await);
    let both = "Multiple conditional request headers present in the request";
    assert_eq!(refusal, format!("501 NotImplemented Header=If-Match,If-None-Match additionalMessage={both}"));
}

#[tokio::test(start_paused = true)]
async fn deletes() {
    let (_sandbox, client) = with_bucket().await;
    let delete = || client.delete_object().bucket("bkt").key("k");
    delete().send().await.unwrap();
    assert_eq!(refused(delete().if_match("\"e\"").send().await), "404 NoSuchKey Key=k");
    let etag = put(&client, "k", "x").await;
    assert_eq!(refused(delete().if_match("\"e\"").send().await), NO_MATCH);
    assert_eq!(refused(delete().if_match_size(1).send().await), "501 NotImplemented Header=x-amz-if-match-size");
    delete().if_match(etag).send().await.unwrap();
    put(&client, "k", "x").await;
    delete().if_match("*").send().await.unwrap();
    put(&client, "k", "x").await;
    delete().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn copies() {
    let (_sandbox, client) = with_bucket().await;
    let etag = put(&client, "from", "x").await;
    let copy = || client.copy_object().bucket("bkt").key("to").copy_source("bkt/from");
    assert_eq!(refused(copy().if_match("\"e\"").send().await), "404 NoSuchKey Key=to");
    copy().if_none_match("*").send().await.unwrap();
    assert_eq!(refused(copy().if_none_match("*").send().await), NOT_HELD);
    copy().if_match(&etag).send().await.unwrap();
    let refusal = refused(copy().copy_source_if_match("\"e\"").send().await);
    assert_eq!(refusal, "412 PreconditionFailed Condition=x-amz-copy-source-If-Match");
    let refusal = refused(copy().copy_source_if_none_match(&etag).send().await);
    assert_eq!(refusal, "412 PreconditionFailed Condition=x-amz-copy-source-If-None-Match");
}

#[tokio::test(start_paused = true)]
async fn reads() {
    let (_sandbox, client) = with_bucket().await;
    let etag = put(&client, "k", "x").await;
    let get = || client.get_object().bucket("bkt").key("k");
    get().if_match(&etag).send().await.unwrap();
    assert_eq!(refused(get().if_match("\"e\"").send().await), NO_MATCH);
    assert_eq!(refused(get().if_none_match(&etag).send().await), "304");
    assert_eq!(refused(client.head_object().bucket("bkt").key("k").if_match("\"e\"").send().await), "412");
    let written = aws_sdk_s3::primitives::DateTime::from_secs(1_893_456_000);
    assert_eq!(refused(get().if_modified_since(written).send().await), "304");
    get().if_unmodified_since(written).send().await.unwrap();
    let before = aws_sdk_s3::primitives::DateTime::from_secs(1_893_455_999);
    let refusal = refused(get().if_unmodified_since(before).send().await);
    assert_eq!(refusal, "412 PreconditionFailed Condition=If-Unmodified-Since");
}

#[tokio::test(start_paused = true)]
async fn uploads() {
    let (_sandbox, client) = with_bucket().await;
    let old = put(&client, "k", "old").await;
    let overtaken = begin(&client).await;
    let same = put(&client, "k", "old").await;
    // Rewritten with the same bytes: the ETag is right, the upload is in conflict all the same.
    assert_eq!(old, same);
    let conflict = |header: &str| format!("409 ConditionalRequestConflict Condition={header} Key=k");
    assert_eq!(refused(finish(&client, &overtaken).if_match(&same).send().await), conflict("If-Match"));
    assert_eq!(refused(finish(&client, &overtaken).if_match("\"e\"").send().await), NO_MATCH);
    assert_eq!(refused(finish(&client, &overtaken).if_none_match("*").send().await), NOT_HELD);
    let fresh = begin(&client).await;
    finish(&client, &fresh).if_match(&same).send().await.unwrap();
    let bereft = begin(&client).await;
    client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!(refused(finish(&client, &bereft).if_match(&same).send().await), "404 NoSuchKey Key=k");
    assert_eq!(refused(finish(&client, &bereft).if_none_match("*").send().await), conflict("If-None-Match"));
    let same = put(&client, "k", "old").await;
    assert_eq!(refused(finish(&client, &bereft).if_match(&same).send().await), conflict("If-Match"));
    client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    let fresh = begin(&client).await;
    finish(&client, &fresh).if_none_match("*").send().await.unwrap();
}

async fn begin(client: &Client) -> String {
    let id = client.create_multipart_upload().bucket("bkt").key("k").send().await.unwrap().upload_id.unwrap();
    let part = client.upload_part().bucket("bkt").key("k").upload_id(&id).part_number(1);
    part.body(ByteStream::from_static(b"part")).send().await.unwrap();
    id
}

fn finish(
    client: &Client,
    id: &str,
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
    let part = aws_sdk_s3::types::CompletedPart::builder();
    let part = part.part_number(1).e_tag("f4c9385f1902f7334b00b9b4ecd164de").build();
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
    client.complete_multipart_upload().bucket("bkt").key("k").upload_id(id).multipart_upload(parts)
}

#[tokio::test]
async fn of_many_writers_one_wins() {
    let sandbox = sandbox();
    let user = sandbox.add_user("111122223333", "ann");
    let client = s3(&config(&sandbox, &user.access_key_id, &user.secret, None));
    make_bucket(&client, "bkt").await;
    let writers = (0..20).map(|n| {
        let body = ByteStream::from(vec![n; 1000]);
        client.put_object().bucket("bkt").key("k").if_none_match("*").body(body).send()
    });
    let results = futures_util::future::join_all(writers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}
