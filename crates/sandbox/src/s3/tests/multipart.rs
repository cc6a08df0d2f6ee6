//! Uploads in parts.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::*;

const PART: usize = 5 << 20;

async fn begin(client: &Client, algorithm: Option<ChecksumAlgorithm>) -> String {
    let create = client.create_multipart_upload().bucket("bkt").key("k").set_checksum_algorithm(algorithm);
    create.metadata("m", "1").send().await.unwrap().upload_id.unwrap()
}

async fn part(client: &Client, id: &str, number: i32, body: Vec<u8>, with: Option<ChecksumAlgorithm>) -> CompletedPart {
    let put =
        client.upload_part().bucket("bkt").key("k").upload_id(id).part_number(number).set_checksum_algorithm(with);
    let put = put.body(ByteStream::from(body)).send().await.unwrap();
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(put.e_tag)
        .set_checksum_sha256(put.checksum_sha256)
        .set_checksum_crc32(put.checksum_crc32)
        .build()
}

fn finish(
    client: &Client,
    id: &str,
    parts: Vec<CompletedPart>,
) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    client.complete_multipart_upload().bucket("bkt").key("k").upload_id(id).multipart_upload(parts)
}

#[tokio::test(start_paused = true)]
async fn parts_become_an_object_with_a_composite_checksum() {
    let (_sandbox, client) = with_bucket().await;
    let sha = Some(ChecksumAlgorithm::Sha256);
    let id = begin(&client, sha.clone()).await;
    // Numbers may have gaps; the last part may be small.
    let parts = vec![
        part(&client, &id, 2, vec![b'a'; PART], sha.clone()).await,
        part(&client, &id, 7, b"end".to_vec(), sha).await,
    ];
    let listed = client.list_parts().bucket("bkt").key("k").upload_id(&id).max_parts(1).send().await.unwrap();
    assert_eq!(
        (listed.parts().len(), listed.is_truncated(), listed.next_part_number_marker()),
        (1, Some(true), Some("2"))
    );
    let done = finish(&client, &id, parts).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let sum = done.checksum_sha256().unwrap();
    assert!(sum.ends_with("-2"), "{sum}");
    assert_eq!(done.checksum_type(), Some(&ChecksumType::Composite));
    let head = client.head_object().bucket("bkt").key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
    assert_eq!(head.checksum_sha256(), Some(sum));
    assert_eq!((head.content_length(), &head.metadata().unwrap()["m"][..]), (Some(PART as i64 + 3), "1"));
    let second = client.get_object().bucket("bkt").key("k").part_number(2).send().await.unwrap();
    assert_eq!(second.parts_count(), Some(2));
    assert_eq!(second.body.collect().await.unwrap().into_bytes(), "end");
    let gone = client.list_parts().bucket("bkt").key("k").upload_id(&id).send().await;
    assert_eq!(refused(gone), format!("404 NoSuchUpload UploadId={id}"));
}

#[tokio::test(start_paused = true)]
async fn without_an_algorithm_s3_makes_a_checksum_of_the_whole() {
    let (_sandbox, client) = with_bucket().await;
    let id = begin(&client, None).await;
    let only = part(&client, &id, 1, b"part".to_vec(), None).await;
    let done = finish(&client, &id, vec![only]).send().await.unwrap();
    assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
    assert!(done.checksum_crc64_nvme().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_upload_is_said() {
    let (_sandbox, client) = with_bucket().await;
    let sha = Some(ChecksumAlgorithm::Sha256);
    let id = begin(&client, sha.clone()).await;
    let one = part(&client, &id, 1, b"part".to_vec(), sha.clone()).await;
    let two = part(&client, &id, 2, b"part".to_vec(), sha).await;
    let small = refused(finish(&client, &id, vec![one.clone(), two.clone()]).send().await);
    assert_eq!(
        small,
        "400 EntityTooSmall ProposedSize=4 MinSizeAllowed=5242880 PartNumber=1 ETag=f4c9385f1902f7334b00b9b4ecd164de"
    );
    let order = refused(finish(&client, &id, vec![two, one.clone()]).send().await);
    assert_eq!(order, format!("400 InvalidPartOrder UploadId={id}"));
    let mut other = one.clone();
    other.e_tag = Some("\"e\"".into());
    let wrong = refused(finish(&client, &id, vec![other]).send().await);
    assert_eq!(wrong, format!("400 InvalidPart ETag=e PartNumber=1 UploadId={id}"));
    let mut bare = one.clone();
    bare.checksum_sha256 = None;
    assert_eq!(refused(finish(&client, &id, vec![bare]).send().await), "400 InvalidRequest");
    let size = refused(finish(&client, &id, vec![one.clone()]).mpu_object_size(5).send().await);
    assert_eq!(size, "400 InvalidRequest");
    assert_eq!(refused(finish(&client, &id, vec![]).send().await), "400 InvalidRequest");
    let number = client.upload_part().bucket("bkt").key("k").upload_id(&id).part_number(0).send().await;
    assert_eq!(refused(number), "400 InvalidArgument ArgumentName=partNumber ArgumentValue=0");
    let crc = client.upload_part().bucket("bkt").key("k").upload_id(&id).part_number(1);
    let crc = crc.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
    assert_eq!(refused(crc), "400 InvalidRequest");
    client.abort_multipart_upload().bucket("bkt").key("k").upload_id(&id).send().await.unwrap();
    assert!(refused(finish(&client, &id, vec![one]).send().await).starts_with("404 NoSuchUpload"));
    for (algorithm, kind) in
        [(ChecksumAlgorithm::Sha256, ChecksumType::FullObject), (ChecksumAlgorithm::Crc64Nvme, ChecksumType::Composite)]
    {
        let create = client.create_multipart_upload().bucket("bkt").key("k");
        let create = create.checksum_algorithm(algorithm).checksum_type(kind).send().await;
        assert_eq!(refused(create), "400 InvalidRequest");
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_are_listed_and_parts_can_be_copies() {
    let (_sandbox, client) = with_bucket().await;
    put(&client, "from", "0123456789").await;
    let first = begin(&client, None).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let second = begin(&client, None).await;
    let page = client.list_multipart_uploads().bucket("bkt").max_uploads(1).send().await.unwrap();
    assert_eq!((page.uploads()[0].upload_id(), page.is_truncated()), (Some(first.as_str()), Some(true)));
    let list = client.list_multipart_uploads().bucket("bkt").set_key_marker(page.next_key_marker);
    let page = list.set_upload_id_marker(page.next_upload_id_marker).send().await.unwrap();
    assert_eq!((page.uploads()[0].upload_id(), page.uploads().len()), (Some(second.as_str()), 1));
    let copy = |range: &str| {
        let copy = client.upload_part_copy().bucket("bkt").key("k").upload_id(&first).part_number(1);
        copy.copy_source("bkt/from").copy_source_range(range).send()
    };
    let copied = copy("bytes=2-4").await.unwrap();
    let etag = copied.copy_part_result().and_then(|part| part.e_tag()).unwrap();
    let only = CompletedPart::builder().part_number(1).e_tag(etag).build();
    finish(&client, &first, vec![only]).send().await.unwrap();
    assert_eq!(get(&client, "k").await, "234");
    assert!(refused(copy("bytes=2-4").await).starts_with("404 NoSuchUpload"));
}
