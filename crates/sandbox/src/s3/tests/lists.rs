//! Lists, page by page.

use super::*;

const KEYS: [&str; 7] = ["a", "b/1", "b/2", "b/3", "c d", "d/e/f", "é"];

#[tokio::test(start_paused = true)]
async fn pages_cover_everything_once() {
    let (_sandbox, client) = with_bucket().await;
    for key in KEYS {
        put(&client, key, key).await;
    }
    for (prefix, delimiter, expected) in [
        ("", None, "a b/1 b/2 b/3 c d d/e/f é"),
        ("", Some("/"), "a [b/] c d [d/] é"),
        ("b/", Some("/"), "b/1 b/2 b/3"),
        ("d/", Some("/"), "[d/e/]"),
        ("b", None, "b/1 b/2 b/3"),
        ("zzz", None, ""),
    ] {
        for size in [1, 2, 3, 1000] {
            let mut seen = Vec::new();
            let list = client.list_objects_v2().bucket("bkt").prefix(prefix).set_delimiter(delimiter.map(String::from));
            let mut pages = list.max_keys(size).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.unwrap();
                assert_eq!(page.key_count(), i32::try_from(page.contents().len() + page.common_prefixes().len()).ok());
                seen.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
                seen.extend(page.common_prefixes().iter().map(|group| format!("[{}]", group.prefix().unwrap())));
            }
            seen.sort_by_key(|key| key.trim_start_matches('[').to_owned());
            assert_eq!(seen.join(" "), expected, "{prefix} {delimiter:?} {size}");
            assert_eq!(v1(&client, prefix, delimiter, size).await, expected, "v1 {prefix} {delimiter:?} {size}");
        }
    }
}

async fn v1(client: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> String {
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let list = client.list_objects().bucket("bkt").prefix(prefix).set_delimiter(delimiter.map(String::from));
        let page = list.max_keys(size).marker(&marker).send().await.unwrap();
        seen.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        seen.extend(page.common_prefixes().iter().map(|group| format!("[{}]", group.prefix().unwrap())));
        if page.is_truncated() != Some(true) {
            seen.sort_by_key(|key| key.trim_start_matches('[').to_owned());
            return seen.join(" ");
        }
        let last = page.contents().last().and_then(|object| object.key()).unwrap_or_default();
        marker = page.next_marker().unwrap_or(last).to_owned();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_list_says() {
    let (_sandbox, client) = with_bucket().await;
    put(&client, "a b/ü", "x").await;
    let list = client.list_objects_v2().bucket("bkt").encoding_type(aws_sdk_s3::types::EncodingType::Url);
    let page = list.send().await.unwrap();
    let object = &page.contents()[0];
    assert_eq!((object.key(), object.size()), (Some("a+b/%C3%BC"), Some(1)));
    assert_eq!(object.checksum_algorithm()[0].as_str(), "CRC32");
    assert_eq!(object.last_modified().unwrap().secs(), 1_893_456_000);
    let after = client.list_objects_v2().bucket("bkt").start_after("a b/ü").send().await.unwrap();
    assert_eq!(after.key_count(), Some(0));
    let none = client.list_objects_v2().bucket("bkt").max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
    let bad = client.list_objects_v2().bucket("bkt").continuation_token("?").send().await;
    assert_eq!(refused(bad), "400 InvalidArgument ArgumentName=continuation-token ArgumentValue=?");
}
