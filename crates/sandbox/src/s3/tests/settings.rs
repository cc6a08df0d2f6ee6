//! What is asked for besides the content is kept and shown, or refused.

use aws_sdk_s3::types::{
    BucketLocationConstraint, ChecksumAlgorithm, CreateBucketConfiguration, ObjectAttributes, ObjectCannedAcl,
    ObjectLockMode, StorageClass, Tag, Tagging,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_refused() {
    let (_sandbox, client) = with_bucket().await;
    let put = || client.put_object().bucket("bkt").key("k");
    let customer = put().sse_customer_algorithm("AES256").sse_customer_key("a2V5").sse_customer_key_md5("bWQ1");
    assert!(refused(customer.send().await).starts_with("501 NotImplemented"));
    let until = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
    let locked = put().object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
    assert_eq!(refused(locked.send().await), "400 InvalidRequest");
    assert_eq!(refused(put().acl(ObjectCannedAcl::PublicRead).send().await), "400 AccessControlListNotSupported");
    put().acl(ObjectCannedAcl::BucketOwnerFullControl).send().await.unwrap();
    assert!(refused(put().write_offset_bytes(1).send().await).starts_with("501 NotImplemented"));
    let odd = refused(put().storage_class(StorageClass::from("COLD")).send().await);
    assert_eq!(odd, "400 InvalidStorageClass StorageClassRequested=COLD");
    assert_eq!(refused(put().website_redirect_location("x").send().await), "400 InvalidRedirectLocation");
    assert_eq!(refused(put().tagging("aws:a=1").send().await), "400 InvalidTag TagKey=aws:a");
    let tag = Tag::builder().key("aws:b").value("1").build().unwrap();
    let tagging = Tagging::builder().tag_set(tag).build().unwrap();
    let tagged = client.put_bucket_tagging().bucket("bkt").tagging(tagging).send().await;
    assert_eq!(refused(tagged), "400 InvalidTag TagKey=aws:b");
    let lock = client.create_bucket().bucket("another").object_lock_enabled_for_bucket(true);
    assert!(refused(lock.send().await).starts_with("501 NotImplemented"));
    assert_eq!(get(&client, "k").await, "", "none of them has written");
}

#[tokio::test(start_paused = true)]
async fn class_and_redirect_are_shown() {
    let (_sandbox, client) = with_bucket().await;
    let put = client.put_object().bucket("bkt").key("k").storage_class(StorageClass::StandardIa);
    put.website_redirect_location("/x").send().await.unwrap();
    let head = client.head_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!((head.storage_class(), head.website_redirect_location()), (Some(&StorageClass::StandardIa), Some("/x")));
    let list = client.list_objects_v2().bucket("bkt").send().await.unwrap();
    assert_eq!(list.contents()[0].storage_class().unwrap().as_str(), "STANDARD_IA");
    let copy = || client.copy_object().bucket("bkt").key("k").copy_source("bkt/k");
    assert_eq!(refused(copy().send().await), "400 InvalidRequest");
    copy().storage_class(StorageClass::Glacier).send().await.unwrap();
    let head = client.head_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!((head.storage_class(), head.website_redirect_location()), (Some(&StorageClass::Glacier), None));
    let read = refused(client.get_object().bucket("bkt").key("k").send().await);
    assert_eq!(read, "403 InvalidObjectState StorageClass=GLACIER");
}

#[tokio::test(start_paused = true)]
async fn attributes_and_the_younger_checksums() {
    let (_sandbox, client) = with_bucket().await;
    let body = || ByteStream::from_static(b"The quick brown fox jumps over the lazy dog");
    let put = client.put_object().bucket("bkt").key("k").checksum_algorithm(ChecksumAlgorithm::Sha256);
    put.body(body()).send().await.unwrap();
    let asked = [ObjectAttributes::Etag, ObjectAttributes::ObjectSize, ObjectAttributes::Checksum];
    let attributes = client.get_object_attributes().bucket("bkt").key("k").set_object_attributes(Some(asked.to_vec()));
    let said = attributes.send().await.unwrap();
    assert_eq!((said.e_tag(), said.object_size()), (Some("9e107d9d372bb6826bd81d3542a419d6"), Some(43)));
    assert_eq!(said.checksum().unwrap().checksum_sha256(), Some("16j7swfXgJRpypq8sAguT41WUeRtPNt2LQLQvzfJ5ZI="));
    // Of nothing, as the algorithms' authors publish it.
    for (algorithm, value) in [
        ("XXHASH64", "70bbN1HY6Zk="),
        ("XXHASH3", "LQaABTjTlMI="),
        ("XXHASH128", "maoG0wFHmNhgAcMkRo1Jfw=="),
        ("MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("SHA512", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="),
    ] {
        let made = crate::s3::checksum::Algorithm::named(algorithm).unwrap().of(b"");
        assert_eq!(made, value, "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_again_or_of_another_time() {
    let (_sandbox, client) = with_bucket().await;
    put(&client, "k", "x").await;
    let future = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
    client
        .get_object()
        .bucket("bkt")
        .key("k")
        .if_modified_since(future)
        .send()
        .await
        .expect("a future date says nothing");
    let version = "abcdefghijabcdefghijabcdefghij12";
    let deleted = client.delete_object().bucket("bkt").key("k").version_id(version).send().await;
    assert!(refused(deleted).starts_with("400 InvalidArgument ArgumentName=versionId"));
    let upload = client.create_multipart_upload().bucket("bkt").key("m").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let part = client.upload_part().bucket("bkt").key("m").upload_id(id).part_number(1);
    let part = part.body(ByteStream::from_static(b"x")).send().await.unwrap();
    let done = aws_sdk_s3::types::CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(done).build();
    let complete = client.complete_multipart_upload().bucket("bkt").key("m").upload_id(id).multipart_upload(parts);
    let first = complete.clone().send().await.unwrap();
    assert_eq!(complete.clone().send().await.unwrap().e_tag, first.e_tag, "the answer was lost, and is given again");
    put(&client, "m", "another").await;
    assert!(refused(complete.send().await).starts_with("404 NoSuchUpload"));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_regions_endpoint_makes_buckets_everywhere() {
    let (sandbox, _client) = with_bucket().await;
    let client = crate::front::tests::s3_in(&sandbox, "us-east-1");
    let at = |region: &str| {
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build()
    };
    client.create_bucket().bucket("far").create_bucket_configuration(at("eu-central-1")).send().await.unwrap();
    let odd = client.create_bucket().bucket("odd").create_bucket_configuration(at("moon")).send().await;
    assert!(refused(odd).starts_with("400 IllegalLocationConstraintException"));
}
