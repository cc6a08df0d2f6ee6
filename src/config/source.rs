//! The one place that reads a file.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::yaml::{MAX_BYTES, Problem};

/// Looks before it opens, so that a FIFO cannot hold it, and reads no more than a pipeline may have.
pub fn read(path: &Path) -> Result<String, Problem> {
    let cannot = |error: std::io::Error| Problem::whole(format!("cannot be read: {}", error.kind()));
    let found = fs::metadata(path).map_err(cannot)?;
    if found.is_dir() {
        return Err(Problem::whole("a directory, not a pipeline").help("name a file in it"));
    }
    if !found.is_file() {
        return Err(Problem::whole("not a regular file").help("name a file that has the pipeline in it"));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > MAX_BYTES {
        return Err(Problem::whole("larger than 1 MiB, too large for a pipeline")
            .help("name the file that has the pipeline in it"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Problem::whole(format!("not UTF-8 on line {line}")).help("save it as UTF-8")
    })
}
