//! Bundles: put once, checked, pinned, in parts when they are large.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::stage::Stage;
use crate::artifact::bundle::{Bundle, Source, from_path};
use crate::model::pipeline::Store;
use crate::model::{Name, Revision};
use crate::store::Keys;
use crate::store::copy::copy;
use crate::store::journal::hex;
use crate::store::upload::{find, put};
use ::sandbox::faults::{Action, When};
use ::sandbox::world::ApiError;

const MIB: usize = 1 << 20;

/// A bundle with these bytes; its content is nobody's concern here.
fn bundle(bytes: impl Into<Bytes>) -> Bundle {
    let directory = std::env::temp_dir().join(format!("shipit-store-{}-{}", std::process::id(), fastrand::u64(..)));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("appspec.yml"), "version: 0.0\nos: linux\n").unwrap();
    let mut bundle = from_path(&directory).unwrap_or_else(|failure| panic!("{failure:?}"));
    std::fs::remove_dir_all(&directory).unwrap();
    let bytes: Bytes = bytes.into();
    bundle.sha256 = hex(&Sha256::digest(&bytes));
    bundle.size = bytes.len() as u64;
    bundle.source = Source::Memory(bytes);
    bundle
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_put_once_and_pinned() {
    let stage = Stage::new().await;
    let bundle = bundle("zip");
    let first = put(&stage.bucket, &stage.keys, &bundle).await.unwrap();
    assert_eq!(first.key, format!("team/artifacts/{}.zip", bundle.sha256));
    assert!(first.version.is_some() && first.etag.as_ref().is_some_and(|etag| !etag.contains('"')), "{first:?}");
    assert_eq!(put(&stage.bucket, &stage.keys, &bundle).await.unwrap(), first);
    assert_eq!(stage.calls("PutObject"), 1);
    let found = find(&stage.bucket, &first.key, &bundle.sha256, bundle.size).await.unwrap();
    assert_eq!(found, Some(first));
    assert_eq!(find(&stage.bucket, "artifacts/none.zip", &bundle.sha256, 3).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_put_one_bundle() {
    let stage = Stage::new().await;
    let bundle = bundle("zip");
    let (one, other) =
        tokio::join!(put(&stage.bucket, &stage.keys, &bundle), put(&stage.bucket, &stage.keys, &bundle),);
    assert_eq!(one.unwrap(), other.unwrap());
}

/// A newer version at the same key changes nothing of what was pinned.
#[tokio::test(start_paused = true)]
async fn a_pinned_version_stays() {
    let stage = Stage::new().await;
    let bundle = bundle("zip");
    let first = put(&stage.bucket, &stage.keys, &bundle).await.unwrap();
    stage.overwrite(&first.key, "bad").await;
    let s3 = stage.bucket.client();
    let pinned =
        s3.get_object().bucket("acme").key(&first.key).set_version_id(first.version.clone()).send().await.unwrap();
    assert_eq!(pinned.body.collect().await.unwrap().into_bytes(), "zip");
    let error = put(&stage.bucket, &stage.keys, &bundle).await.unwrap_err();
    assert!(error.to_string().contains("is not the bundle that its name says; delete it and deploy again"), "{error}");
}

/// What lies there under a bundle's name, but has another size, other metadata or none, is never shipped.
#[tokio::test(start_paused = true)]
async fn an_object_that_only_has_the_name_is_refused() {
    let bundle = bundle("zip");
    for (body, sha256) in [("zip", None), ("zip!", Some(bundle.sha256.clone())), ("zip", Some("0".repeat(64)))] {
        let stage = Stage::new().await;
        let key = stage.keys.artifact(&bundle.sha256);
        let call = stage.bucket.client().put_object().bucket("acme").key(&key).body(Bytes::from(body).into());
        let call = sha256.into_iter().fold(call, |call, sha256| call.metadata("sha256", sha256));
        call.send().await.unwrap();
        let error = put(&stage.bucket, &stage.keys, &bundle).await.unwrap_err();
        assert!(error.to_string().contains("is not the bundle that its name says"), "{error}");
        assert_eq!(stage.calls("PutObject"), 1);
    }
}

/// Bytes that are not what the hash says are refused by S3 itself.
#[tokio::test(start_paused = true)]
async fn a_bundle_that_changed_meanwhile_is_not_stored() {
    let stage = Stage::new().await;
    let mut bundle = bundle("zip");
    bundle.source = Source::Memory("bad".into());
    put(&stage.bucket, &stage.keys, &bundle).await.unwrap_err();
    let key = stage.keys.artifact(&bundle.sha256);
    assert_eq!(find(&stage.bucket, &key, &bundle.sha256, 3).await.unwrap(), None);
}

async fn uploads(stage: &Stage) -> usize {
    let listed = stage.bucket.client().list_multipart_uploads().bucket("acme").send().await.unwrap();
    listed.uploads().len()
}

/// Over 64 MiB: in parts. One that fails for good takes all of them away, and the next try works.
#[tokio::test(start_paused = true)]
async fn a_large_bundle_goes_in_parts_or_not_at_all() {
    let stage = Stage::new().await;
    let large = bundle(vec![7; 64 * MIB + 1]);
    let denied = Action::Error(ApiError::new("AccessDenied", "no").status(403));
    stage.disturb("UploadPart", 1, When::Before, &denied);
    let error = put(&stage.bucket, &stage.keys, &large).await.unwrap_err();
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert_eq!((stage.calls("AbortMultipartUpload"), uploads(&stage).await), (1, 0));
    let key = stage.keys.artifact(&large.sha256);
    assert_eq!(find(&stage.bucket, &key, &large.sha256, large.size).await.unwrap(), None);
    // A lost part is sent again; the lost answer of the end is recognised.
    let before = stage.calls("UploadPart");
    stage.disturb("CompleteMultipartUpload", 4, When::After, &Action::Drop);
    stage.disturb_once("UploadPart", When::After, Action::Drop);
    let revision = put(&stage.bucket, &stage.keys, &large).await.unwrap();
    assert_eq!(stage.calls("UploadPart") - before, 6, "five parts, one of them twice");
    assert!(revision.version.is_some());
    assert_eq!(uploads(&stage).await, 0);
    copies_in_parts(&stage, &revision, &large).await;
}

/// From one store into another, part by part: a lost part is fetched again, and what is not the bundle never lies there.
async fn copies_in_parts(stage: &Stage, from: &Revision, bundle: &Bundle) {
    let what = (bundle.sha256.as_str(), bundle.size);
    let name = |text: &str| Name::new(text).unwrap();
    let store = Store { bucket: "acme".to_owned(), prefix: "other".to_owned() };
    let keys = Keys::new(&store, &name("shop"), &name("production"));
    stage.disturb_once("GetObject", When::After, Action::Drop);
    let (puts, gets) = (stage.calls("UploadPart"), stage.calls("GetObject"));
    let copied = copy(&stage.bucket, from, what, &stage.bucket, &keys).await.unwrap();
    assert_eq!((copied.key.as_str(), stage.calls("UploadPart") - puts), (&*keys.artifact(what.0), 5));
    assert_eq!(stage.calls("GetObject") - gets, 6, "five parts, one of them twice");
    let found = find(&stage.bucket, &copied.key, what.0, what.1).await.unwrap();
    assert_eq!(found, Some(copied));
    // Other bytes than the name says; only the hash of all parts shows it.
    let (other, size) = ("0".repeat(64), bundle.size);
    let error = copy(&stage.bucket, from, (&other, size), &stage.bucket, &keys).await.unwrap_err();
    assert!(error.to_string().contains("does not hold the bundle that its name says; nothing was copied"), "{error}");
    assert_eq!(find(&stage.bucket, &keys.artifact(&other), &other, size).await.unwrap(), None);
    assert_eq!(uploads(stage).await, 0);
}
