//! Objects: what is stored with them, ranges, tags, and many at once.

use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier, Tag, Tagging};

use super::*;

#[tokio::test(start_paused = true)]
async fn headers_come_back() {
    let (_sandbox, client) = with_bucket().await;
    let put = client.put_object().bucket("bkt").key("k").content_type("text/plain").cache_control("no-store");
    put.metadata("a", "1").content_encoding("gzip").body(ByteStream::from_static(b"x")).send().await.unwrap();
    let head = client.head_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!((head.content_type(), head.cache_control()), (Some("text/plain"), Some("no-store")));
    assert_eq!((head.content_encoding(), head.content_length()), (Some("gzip"), Some(1)));
    assert_eq!(head.metadata().unwrap()["a"], "1");
    assert_eq!(head.server_side_encryption().unwrap().as_str(), "AES256");
    put_default(&client).await;
    let large = client.put_object().bucket("bkt").key("k").metadata("a", "x".repeat(2048)).send().await;
    assert_eq!(refused(large), "400 MetadataTooLarge Size=2049 MaxSizeAllowed=2048");
}

async fn put_default(client: &Client) {
    put(client, "plain", "x").await;
    let got = client.get_object().bucket("bkt").key("plain").response_content_type("a/b").send().await.unwrap();
    assert_eq!(got.content_type(), Some("a/b"));
}

#[tokio::test(start_paused = true)]
async fn ranges() {
    let (_sandbox, client) = with_bucket().await;
    put(&client, "k", "0123456789").await;
    put(&client, "empty", "").await;
    for (range, expected, content_range) in [
        ("bytes=2-4", "234", Some("bytes 2-4/10")),
        ("bytes=8-", "89", Some("bytes 8-9/10")),
        ("bytes=-3", "789", Some("bytes 7-9/10")),
        ("bytes=5-100", "56789", Some("bytes 5-9/10")),
        ("bytes=4-2", "0123456789", None),
        ("lines=1-2", "0123456789", None),
    ] {
        let got = client.get_object().bucket("bkt").key("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), content_range, "{range}");
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), expected, "{range}");
    }
    let beyond = refused(client.get_object().bucket("bkt").key("k").range("bytes=10-").send().await);
    assert_eq!(beyond, "416 InvalidRange RangeRequested=bytes=10- ActualObjectSize=10");
    let nothing = refused(client.get_object().bucket("bkt").key("empty").range("bytes=0-").send().await);
    assert!(nothing.starts_with("416 "), "{nothing}");
}

#[tokio::test(start_paused = true)]
async fn copies_keep_or_replace_what_describes_them() {
    let (_sandbox, client) = with_bucket().await;
    client.put_object().bucket("bkt").key("a/ü +").metadata("m", "1").send().await.unwrap();
    let copy = client.copy_object().bucket("bkt").copy_source("bkt/a/%C3%BC%20%2B");
    copy.clone().key("kept").send().await.unwrap();
    let replaced = copy.clone().key("replaced").metadata("m", "2").metadata_directive(MetadataDirective::Replace);
    replaced.send().await.unwrap();
    for (key, value) in [("kept", "1"), ("replaced", "2")] {
        let head = client.head_object().bucket("bkt").key(key).send().await.unwrap();
        assert_eq!(head.metadata().unwrap()["m"], value);
    }
    assert!(refused(copy.clone().key("a/ü +").send().await).starts_with("400 InvalidRequest"));
    let nothing = client.copy_object().bucket("bkt").key("k").copy_source("bkt").send().await;
    assert!(refused(nothing).starts_with("400 InvalidArgument ArgumentName=x-amz-copy-source"));
    let missing = client.copy_object().bucket("bkt").key("k").copy_source("bkt/none").send().await;
    assert_eq!(refused(missing), "404 NoSuchKey Key=none");
}

#[tokio::test(start_paused = true)]
async fn many_are_deleted_each_for_itself() {
    let (_sandbox, client) = with_bucket().await;
    for key in ["a", " b<&> ", "kept"] {
        put(&client, key, "x").await;
    }
    let id = |key: &str| ObjectIdentifier::builder().key(key);
    let objects = [id("a").build(), id(" b<&> ").build(), id("none").build(), id("kept").e_tag("\"e\"").build()];
    let delete =
        Delete::builder().set_objects(Some(objects.into_iter().map(Result::unwrap).collect())).build().unwrap();
    let done = client.delete_objects().bucket("bkt").delete(delete).send().await.unwrap();
    let keys: Vec<_> = done.deleted().iter().filter_map(|deleted| deleted.key()).collect();
    assert_eq!(keys, ["a", " b<&> ", "none"]);
    let errors: Vec<_> = done.errors().iter().map(|error| (error.key(), error.code())).collect();
    assert_eq!(errors, [(Some("kept"), Some("PreconditionFailed"))]);
    let left = client.list_objects_v2().bucket("bkt").send().await.unwrap();
    assert_eq!(left.key_count(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn tags() {
    let (_sandbox, client) = with_bucket().await;
    client.put_object().bucket("bkt").key("k").tagging("a=1&b=%C3%BC").send().await.unwrap();
    let got = client.get_object_tagging().bucket("bkt").key("k").send().await.unwrap();
    let pairs: Vec<_> = got.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(pairs, [("a", "1"), ("b", "ü")]);
    let tag = Tag::builder().key("c").value("3").build().unwrap();
    let tagging = Tagging::builder().tag_set(tag).build().unwrap();
    client.put_object_tagging().bucket("bkt").key("k").tagging(tagging.clone()).send().await.unwrap();
    assert_eq!(client.get_object().bucket("bkt").key("k").send().await.unwrap().tag_count(), Some(1));
    client.delete_object_tagging().bucket("bkt").key("k").send().await.unwrap();
    assert!(client.get_object_tagging().bucket("bkt").key("k").send().await.unwrap().tag_set().is_empty());
    let untagged = client.get_bucket_tagging().bucket("bkt").send().await;
    assert_eq!(refused(untagged), "404 NoSuchTagSet BucketName=bkt");
    client.put_bucket_tagging().bucket("bkt").tagging(tagging).send().await.unwrap();
    assert_eq!(client.get_bucket_tagging().bucket("bkt").send().await.unwrap().tag_set().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn buckets() {
    let (_sandbox, client) = with_bucket().await;
    let location = client.get_bucket_location().bucket("bkt").send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), "ap-northeast-2");
    assert_eq!(client.list_buckets().send().await.unwrap().buckets()[0].name(), Some("bkt"));
    assert!(client.head_bucket().bucket("none").send().await.unwrap_err().into_service_error().is_not_found());
    let unplaced = refused(client.create_bucket().bucket("other").send().await);
    assert_eq!(unplaced, "400 IllegalLocationConstraintException");
    put(&client, "k", "x").await;
    assert_eq!(refused(client.delete_bucket().bucket("bkt").send().await), "409 BucketNotEmpty BucketName=bkt");
    client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    client.delete_bucket().bucket("bkt").send().await.unwrap();
    assert_eq!(refused(client.list_objects_v2().bucket("bkt").send().await), "404 NoSuchBucket BucketName=bkt");
    assert!(refused(client.get_bucket_policy().bucket("bkt").send().await).starts_with("501 NotImplemented"));
}

#[tokio::test(start_paused = true)]
async fn hosts_fetch_without_a_wire() {
    let (sandbox, client) = with_bucket().await;
    put(&client, "k", "x").await;
    let fetch_as = |account: &str, key: &str, version| crate::s3::fetch(&sandbox.world, account, ("bkt", key, version));
    let fetch = |key: &str, version| fetch_as("111122223333", key, version);
    assert_eq!(fetch_as("444455556666", "k", None).unwrap_err().code, "AccessDenied");
    assert_eq!(fetch("k", None).unwrap().0, "x");
    assert_eq!(fetch("k", Some("null")).unwrap().0, "x");
    assert_eq!(fetch("none", None).unwrap_err().code, "NoSuchKey");
    assert_eq!(fetch("k", Some("?")).unwrap_err().code, "InvalidArgument");
}
