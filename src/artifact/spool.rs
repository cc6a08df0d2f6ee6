//! Bytes in memory up to a size, then in a temporary file that is removed with its last owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Something that is being written, and read back once.
pub struct Spool {
    limit: u64,
    place: Place,
}

enum Place {
    Memory(Cursor<Vec<u8>>),
    File(File, TempFile),
}

/// What a spool holds at the end.
pub enum Spooled {
    /// In memory.
    Memory(Bytes),
    /// In a temporary file.
    File(Arc<TempFile>),
}

impl Spool {
    /// An empty spool that moves to a file when it grows beyond `limit` bytes.
    pub fn new(limit: u64) -> Spool {
        Spool { limit, place: Place::Memory(Cursor::default()) }
    }

    /// Ends the writing: what was written, its SHA-256 in hex, its size.
    pub fn finish(self) -> io::Result<(Spooled, String, u64)> {
        match self.place {
            Place::Memory(cursor) => {
                let bytes = cursor.into_inner();
                let (sha256, size) = digest(bytes.as_slice())?;
                Ok((Spooled::Memory(bytes.into()), sha256, size))
            }
            Place::File(mut file, temp) => {
                file.flush()?;
                file.seek(SeekFrom::Start(0))?;
                let (sha256, size) = digest(&file)?;
                Ok((Spooled::File(Arc::new(temp)), sha256, size))
            }
        }
    }

    fn make_room(&mut self, more: usize) -> io::Result<()> {
        let Place::Memory(cursor) = &self.place else { return Ok(()) };
        if cursor.position().saturating_add(more as u64) <= self.limit {
            return Ok(());
        }
        let (mut file, temp) = TempFile::create()?;
        file.write_all(cursor.get_ref())?;
        file.seek(SeekFrom::Start(cursor.position()))?;
        self.place = Place::File(file, temp);
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room(bytes.len())?;
        match &mut self.place {
            Place::Memory(cursor) => cursor.write(bytes),
            Place::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.place {
            Place::Memory(cursor) => cursor.seek(to),
            Place::File(file, _) => file.seek(to),
        }
    }
}

/// SHA-256 in lower-case hex, and the number of bytes.
pub fn digest(mut from: impl Read) -> io::Result<(String, u64)> {
    let (mut hash, mut size, mut block) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&block[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hex, size))
}

/// A file that is removed when it is dropped.
#[derive(Debug)]
pub struct TempFile(PathBuf);

impl TempFile {
    /// A new empty file that only this user can read.
    fn create() -> io::Result<(File, TempFile)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("shipit-{}-{number}.zip", std::process::id()));
            match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => {}
                opened => return opened.map(|file| (file, TempFile(path))),
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Best effort: a leftover in the temporary directory harms nobody.
        let _ = fs::remove_file(&self.0);
    }
}
