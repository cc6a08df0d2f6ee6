//! Checksums in headers and trailers, signed and unsigned chunks.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};

use super::*;
use crate::s3::checksum::Algorithm;

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
