//! Versioned buckets.

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::*;

async fn set(client: &Client, status: BucketVersioningStatus) {
    let config = VersioningConfiguration::builder().status(status).build();
    client.put_bucket_versioning().bucket("bkt").versioning_configuration(config).send().await.unwrap();
}

/// All versions, newest first: `key text`, `key ✗` for a marker, `*` for the latest.
async fn versions(client: &Client) -> Vec<String> {
    let page = client.list_object_versions().bucket("bkt").send().await.unwrap();
    let mark = |latest: Option<bool>| if latest == Some(true) { "*" } else { "" };
    let mut lines: Vec<String> = page
        .versions()
        .iter()
        .map(|it| format!("{} {}{}", it.key().unwrap(), it.size().unwrap(), mark(it.is_latest())))
        .collect();
    lines.extend(page.delete_markers().iter().map(|it| format!("{} ✗{}", it.key().unwrap(), mark(it.is_latest()))));
    lines
}

#[tokio::test(start_paused = true)]
async fn old_versions_stay() {
    let (_sandbox, client) = with_bucket().await;
    put(&client, "k", "1").await;
    set(&client, BucketVersioningStatus::Enabled).await;
    let two = client.put_object().bucket("bkt").key("k").body(ByteStream::from_static(b"22")).send().await.unwrap();
    let two = two.version_id().unwrap().to_owned();
    put(&client, "k", "333").await;
    assert_eq!(versions(&client).await, ["k 3*", "k 2", "k 1"]);
    let old = client.get_object().bucket("bkt").key("k").version_id(&two).send().await.unwrap();
    assert_eq!((old.version_id(), old.content_length()), (Some(two.as_str()), Some(2)));
    let null = client.head_object().bucket("bkt").key("k").version_id("null").send().await.unwrap();
    assert_eq!(null.content_length(), Some(1));

    let marker = client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!(marker.delete_marker(), Some(true));
    let marker = marker.version_id().unwrap();
    assert_eq!(refused(client.get_object().bucket("bkt").key("k").send().await), "404 NoSuchKey Key=k");
    let direct = client.get_object().bucket("bkt").key("k").version_id(marker).send().await;
    assert_eq!(refused(direct), "405 MethodNotAllowed Method=GET ResourceType=DeleteMarker");
    assert_eq!(versions(&client).await, ["k 3", "k 2", "k 1", "k ✗*"]);
    // The key counts as absent.
    let put = || client.put_object().bucket("bkt").key("k").body(ByteStream::from_static(b"4444"));
    assert_eq!(refused(put().if_match("\"e\"").send().await), "404 NoSuchKey Key=k");
    let delete = client.delete_object().bucket("bkt").key("k").version_id(marker).send().await.unwrap();
    assert_eq!(delete.delete_marker(), Some(true));
    assert_eq!(get(&client, "k").await, "333");
    client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    put().if_none_match("*").send().await.unwrap();
    let gone = "x".repeat(32);
    let unknown = client.get_object().bucket("bkt").key("k").version_id(&gone).send().await;
    assert_eq!(refused(unknown), format!("404 NoSuchVersion Key=k VersionId={gone}"));
    let malformed = client.get_object().bucket("bkt").key("k").version_id("?").send().await;
    assert_eq!(refused(malformed), "400 InvalidArgument ArgumentName=versionId ArgumentValue=?");
}

#[tokio::test(start_paused = true)]
async fn suspended_writes_replace_the_null_version() {
    let (_sandbox, client) = with_bucket().await;
    set(&client, BucketVersioningStatus::Enabled).await;
    put(&client, "k", "1").await;
    set(&client, BucketVersioningStatus::Suspended).await;
    put(&client, "k", "22").await;
    put(&client, "k", "333").await;
    assert_eq!(versions(&client).await, ["k 3*", "k 1"]);
    client.delete_object().bucket("bkt").key("k").send().await.unwrap();
    assert_eq!(versions(&client).await, ["k 1", "k ✗*"]);
    let status = client.get_bucket_versioning().bucket("bkt").send().await.unwrap();
    assert_eq!(status.status(), Some(&BucketVersioningStatus::Suspended));
    assert!(refused(client.delete_bucket().bucket("bkt").send().await).starts_with("409 BucketNotEmpty"));
}

#[tokio::test(start_paused = true)]
async fn versions_are_listed_page_by_page() {
    let (_sandbox, client) = with_bucket().await;
    set(&client, BucketVersioningStatus::Enabled).await;
    for key in ["a", "b/1", "b/2", "c"] {
        put(&client, key, "1").await;
        put(&client, key, "22").await;
    }
    for (delimiter, expected) in [(None, "a 2 a 1 b/1 2 b/1 1 b/2 2 b/2 1 c 2 c 1"), (Some("/"), "a 2 a 1 b/ c 2 c 1")]
    {
        for size in [1, 2, 3, 100] {
            let (mut seen, mut key, mut version) = (Vec::new(), None, None);
            loop {
                let list = client.list_object_versions().bucket("bkt").set_delimiter(delimiter.map(String::from));
                let page = list.max_keys(size).set_key_marker(key).set_version_id_marker(version).send().await.unwrap();
                let mut lines: Vec<_> =
                    page.versions().iter().map(|it| format!("{} {}", it.key().unwrap(), it.size().unwrap())).collect();
                lines.extend(page.common_prefixes().iter().map(|group| group.prefix().unwrap().to_owned()));
                lines.sort_by_key(|line| line.split(' ').next().unwrap().to_owned());
                seen.extend(lines);
                if page.is_truncated() != Some(true) {
                    break;
                }
                (key, version) = (page.next_key_marker, page.next_version_id_marker);
            }
            assert_eq!(seen.join(" "), expected, "{delimiter:?} {size}");
        }
    }
}
