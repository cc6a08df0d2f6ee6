//! Buckets themselves.

use std::collections::BTreeMap;

use super::{Ask, Bucket, Error, NAMESPACE, Operation, Reply, Versioning, bare, iso, owner, set, xml};
use crate::wire::xml::{Document, parse};
use crate::world::World;

/// A bucket is reached only with a signature for its region, and by its own account: buckets here have no policies that
/// would let another one in.
///
/// # Errors
/// There is no such bucket, or it is in another region (clients follow the hint in the error), or another account's.
pub fn check_reach(world: &World, ask: &Ask) -> Result<(), Error> {
    if matches!(ask.operation, Operation::ListBuckets | Operation::CreateBucket) {
        return Ok(());
    }
    let mut state = world.lock();
    let bucket = state.s3.bucket(&ask.bucket)?;
    let region = &bucket.region;
    if *region == ask.region {
        return bucket.check_owner(&ask.account);
    }
    let why =
        format!("The authorization header is malformed; the region '{}' is wrong; expecting '{region}'", ask.region);
    Err(Error::new(400, "AuthorizationHeaderMalformed", why)
        .with("Region", region)
        .header("x-amz-bucket-region", region))
}

/// `ListBuckets`, those of the caller's account.
pub fn list(world: &World, ask: &Ask) -> Reply {
    let state = world.lock();
    let mut out = Document::new();
    out.root("ListAllMyBucketsResult", NAMESPACE, |out| {
        owner(out, "Owner", &ask.account);
        out.element("Buckets", |out| {
            for (name, bucket) in state.s3.buckets.iter().filter(|(_, bucket)| bucket.account == ask.account) {
                out.element("Bucket", |out| {
                    out.text("Name", name).text("CreationDate", iso(bucket.created));
                    out.text("BucketRegion", &bucket.region);
                });
            }
        });
    });
    Ok(xml(out))
}

/// `CreateBucket`, in the region that the request was signed for.
pub fn create(world: &World, ask: &Ask) -> Reply {
    if !is_name(&ask.bucket) {
        return Err(
            Error::new(400, "InvalidBucketName", "The specified bucket is not valid.").with("BucketName", &ask.bucket)
        );
    }
    let names = ask.header_names();
    super::allow::check_settings(|name| ask.header(name), &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let content = super::body::read(ask)?;
    let constraint = if content.body.is_empty() {
        None
    } else {
        let request = parse(&content.body).map_err(|_| Error::malformed_xml())?;
        for part in &request.children {
            if part.name != "LocationConstraint" {
                return Err(Error::not_implemented(
                    &part.name,
                    Some("CreateBucketConfiguration has only a location here"),
                ));
            }
        }
        request.get("LocationConstraint").map(str::to_owned).filter(|region| !region.is_empty())
    };
    let region = place(ask, constraint)?;
    let created = world.now();
    let buckets = &mut world.lock().s3.buckets;
    match buckets.get(&ask.bucket) {
        None => {}
        Some(bucket) if bucket.account != ask.account => {
            let why = "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                       system. Please select a different name and try again.";
            return Err(Error::new(409, "BucketAlreadyExists", why).with("BucketName", &ask.bucket));
        }
        // The oldest region forgives, all others do not.
        Some(bucket) if bucket.region == "us-east-1" && region == "us-east-1" => return Ok(created_at(&ask.bucket)),
        Some(_) => {
            let why = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(Error::new(409, "BucketAlreadyOwnedByYou", why).with("BucketName", &ask.bucket));
        }
    }
    let bucket = Bucket {
        account: ask.account.clone(),
        region,
        created,
        versioning: Versioning::Off,
        objects: BTreeMap::new(),
        uploads: BTreeMap::new(),
        tags: Vec::new(),
    };
    buckets.insert(ask.bucket.clone(), bucket);
    Ok(created_at(&ask.bucket))
}

/// The region of a new bucket: the one that the request was signed for, or from the oldest one any.
fn place(ask: &Ask, constraint: Option<String>) -> Result<String, Error> {
    Ok(match constraint {
        None if ask.region == "us-east-1" => ask.region.clone(),
        Some(region) if region == ask.region && region != "us-east-1" => region,
        // The oldest region's endpoint is that of all of them.
        Some(region) if ask.region == "us-east-1" && crate::front::is_region(&region) && region != "us-east-1" => {
            region
        }
        Some(region) if ask.region == "us-east-1" && region == "EU" => "eu-west-1".to_owned(),
        Some(region) if region == "us-east-1" => {
            return Err(Error::new(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")
                .with("LocationConstraint", &region));
        }
        other => {
            let name = other.unwrap_or_else(|| "unspecified".to_owned());
            let why = format!(
                "The {name} location constraint is incompatible for the region specific endpoint this \
                               request was sent to."
            );
            return Err(Error::new(400, "IllegalLocationConstraintException", why));
        }
    })
}

fn created_at(bucket: &str) -> http::Response<bytes::Bytes> {
    let mut response = bare(200);
    set(&mut response, "location", &format!("/{bucket}"));
    response
}

fn is_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&name.len())
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(byte))
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

/// `HeadBucket`.
pub fn head(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    let mut response = bare(200);
    set(&mut response, "x-amz-bucket-region", &state.s3.bucket(&ask.bucket)?.region);
    Ok(response)
}

/// `DeleteBucket`: only an empty one, old versions and all.
pub fn delete(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    if !state.s3.bucket(&ask.bucket)?.objects.is_empty() {
        let why = "The bucket you tried to delete is not empty";
        return Err(Error::new(409, "BucketNotEmpty", why).with("BucketName", &ask.bucket));
    }
    state.s3.buckets.remove(&ask.bucket);
    Ok(bare(204))
}

/// `GetBucketLocation`; the oldest region is said by saying nothing.
pub fn location(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    let region = state.s3.bucket(&ask.bucket)?.region.clone();
    let mut out = Document::new();
    let said = if region == "us-east-1" { "" } else { &region };
    out.root("LocationConstraint", NAMESPACE, |out| out.raw(said));
    Ok(xml(out))
}

/// `GetBucketVersioning`.
pub fn versioning(world: &World, ask: &Ask) -> Reply {
    let mut state = world.lock();
    let versioning = state.s3.bucket(&ask.bucket)?.versioning;
    let mut out = Document::new();
    out.root("VersioningConfiguration", NAMESPACE, |out| match versioning {
        Versioning::Off => {}
        Versioning::Enabled => {
            out.text("Status", "Enabled");
        }
        Versioning::Suspended => {
            out.text("Status", "Suspended");
        }
    });
    Ok(xml(out))
}

/// `PutBucketVersioning`. Once on it can only be suspended.
pub fn put_versioning(world: &World, ask: &Ask) -> Reply {
    let content = super::body::read(ask)?;
    let request = parse(&content.body).map_err(|_| Error::malformed_xml())?;
    let versioning = match request.get("Status") {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        _ => return Err(Error::malformed_xml()),
    };
    world.lock().s3.bucket(&ask.bucket)?.versioning = versioning;
    Ok(bare(200))
}
