//! Checksums in headers and trailers, signed and unsigned chunks.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};

use super::*;
use crate::sandbox::s3::checksum::Algorithm;

#[test]
fn known_sums() {
    let table = [
        (Algorithm::Crc32, "NhCmhg=="),
        (Algorithm::Crc32c, "mnG7TA=="),
        (Algorithm::Crc64Nvme, "M3eFcAZSQlc="),
        (Algorithm::Sha1, "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        (Algorithm::Sha256, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ];
    for (algorithm, expected) in table {
        assert_eq!(algorithm.of(b"hello"), expected, "{algorithm:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_is_verified_and_shown() {
    let (_sandbox, client) = with_bucket().await;
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"].map(ChecksumAlgorithm::from) {
        let put = client.put_object().bucket("bkt").key("k").checksum_algorithm(algorithm.clone());
        put.body(ByteStream::from_static(b"hello")).send().await.unwrap();
        // The SDK compares what it gets with the sum that comes with it.
        let got = client.get_object().bucket("bkt").key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(got.checksum_type().unwrap().as_str(), "FULL_OBJECT", "{algorithm:?}");
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_sum_is_refused() {
    let (_sandbox, client) = with_bucket().await;
    let put = || client.put_object().bucket("bkt").key("k").body(ByteStream::from_static(b"hello"));
    assert_eq!(refused(put().checksum_sha256("nonsense").send().await), "400 InvalidRequest");
    let other = Algorithm::Sha256.of(b"other");
    assert_eq!(refused(put().checksum_sha256(&other).send().await), "400 BadDigest");
    let two = put().checksum_sha256(&other).checksum_crc32("NhCmhg==").send().await;
    assert_eq!(refused(two), "400 InvalidRequest");
    assert!(refused(put().content_md5("x").send().await).starts_with("400 InvalidDigest"));
    assert!(refused(put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await).starts_with("400 BadDigest"));
    put().checksum_sha256(Algorithm::Sha256.of(b"hello")).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_come_in_chunks_with_a_trailer() {
    let (_sandbox, client) = with_bucket().await;
    // Over TLS the SDK leaves chunks unsigned.
    let tls = client.config().to_builder().endpoint_url("https://sandbox").build();
    let file = std::env::temp_dir().join(format!("shipit-chunks-{}", std::process::id()));
    let content: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(&file, &content).unwrap();
    for (client, algorithm) in [
        (client.clone(), None),
        (client.clone(), Some(ChecksumAlgorithm::Sha256)),
        (Client::from_conf(tls), Some(ChecksumAlgorithm::Crc64Nvme)),
    ] {
        let body = ByteStream::read_from().path(&file).build().await.unwrap();
        let put = client.put_object().bucket("bkt").key("k").content_encoding("gzip").set_checksum_algorithm(algorithm);
        put.body(body).send().await.unwrap();
        let got = client.get_object().bucket("bkt").key("k").checksum_mode(ChecksumMode::Enabled).send().await.unwrap();
        assert_eq!(got.content_encoding(), Some("gzip"), "the framing is not stored");
        assert!(got.body.collect().await.unwrap().into_bytes() == content);
    }
    std::fs::remove_file(file).unwrap();
}

/// A put in chunks, as it is on the wire.
struct Framed<'a> {
    kind: &'a str,
    trailer: &'a str,
    length: &'a str,
    body: &'a str,
}

#[test]
fn broken_frames_are_refused() {
    const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    const SUM: &str = "x-amz-checksum-crc32";
    let read = |framed: Framed<'_>| {
        let request = http::Request::put("http://sandbox/bkt/k")
            .header("x-amz-content-sha256", framed.kind)
            .header("x-amz-trailer", framed.trailer)
            .header("x-amz-decoded-content-length", framed.length)
            .body(bytes::Bytes::from(framed.body.to_owned()))
            .unwrap();
        let ask = crate::sandbox::s3::Ask::new(&request, "sandbox", "111122223333", "eu-west-1").unwrap();
        let read = crate::sandbox::s3::body::read(&ask);
        read.map(|content| String::from_utf8(content.body.to_vec()).unwrap()).map_err(|error| error.code)
    };
    let framed = |length, body| read(Framed { kind: UNSIGNED, trailer: SUM, length, body });
    let good = "3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    assert_eq!(framed("5", good), Ok("abcde".to_owned()));
    assert_eq!(framed("4", good), Err("IncompleteBody".to_owned()));
    assert_eq!(framed("-1", good), Err("MissingContentLength".to_owned()));
    assert_eq!(framed("9999999999", good), Err("EntityTooLarge".to_owned()));
    for body in
        ["", "3", "3\r\nab", "3\r\nabcd\r\n", "zz\r\n", "ffffffffffffffff\r\nabc\r\n", "3\r\nabc\r\n", "-3\r\nabc\r\n"]
    {
        assert_eq!(framed("3", body), Err("IncompleteBody".to_owned()), "{body:?}");
    }
    for body in ["0\r\n\r\n", "0\r\nother:1\r\n\r\n", "0\r\nno colon\r\n\r\n"] {
        assert_eq!(framed("0", body), Err("MalformedTrailerError".to_owned()), "{body:?}");
    }
}
