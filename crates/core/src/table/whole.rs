//! Files written whole or not at all.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file or standard output with the compression that its name asks for.
///
/// A file appears under its name only when [`finish`](WholeFile::finish) has succeeded; until then the bytes stand in a
/// file beside it whose name ends in `.partial`, which is removed when the writer is dropped.
pub struct WholeFile {
    name: PathBuf,
    /// The file being written and the file to be; none for standard output.
    place: Option<(PathBuf, PathBuf)>,
    /// There until the file is finished.
    out: Option<Compressed>,
}

enum Compressed {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Gzip(Box<flate2::write::GzEncoder<BufWriter<Box<dyn Write + Send>>>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<Box<dyn Write + Send>>>>),
}

impl WholeFile {
    /// Starts a file, or standard output for `-`. Unless `plain`, names ending in `.gz` or `.zst` are compressed.
    pub fn create(path: &Path, plain: bool) -> Result<Self> {
        let to_standard_output = path == Path::new("-");
        let name = if to_standard_output { PathBuf::from("standard output") } else { path.to_path_buf() };
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let refuse = |error: io::Error| refusal(error, &name);
        let (place, raw): (_, Box<dyn Write + Send>) = if to_standard_output {
            (None, Box::new(io::stdout()))
        } else {
            let partial = path.with_file_name(format!(".{file_name}.{}.partial", std::process::id()));
            let file = File::create(&partial).map_err(refuse)?;
            (Some((partial, path.to_path_buf())), Box::new(file))
        };
        let ending = Path::new(&file_name).extension().map(OsStr::to_ascii_lowercase);
        let out = match ending.as_ref().and_then(|ending| ending.to_str()) {
            Some("gz") if !plain => {
                // No time stamp and no name in the header: the same rows give the same bytes.
                Compressed::Gzip(Box::new(flate2::write::GzEncoder::new(
                    BufWriter::new(raw),
                    flate2::Compression::default(),
                )))
            }
            Some("zst" | "zstd") if !plain => {
                Compressed::Zstd(Box::new(zstd::Encoder::new(BufWriter::new(raw), 3).map_err(refuse)?))
            }
            _ => Compressed::Plain(BufWriter::with_capacity(256 << 10, raw)),
        };
        Ok(Self { name, place, out: Some(out) })
    }

    /// What to call the file in messages.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Writes what is pending and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        let refuse = |error: io::Error| refusal(error, &self.name);
        match self.out.take() {
            Some(Compressed::Plain(mut out)) => out.flush(),
            Some(Compressed::Gzip(out)) => out.finish().and_then(|mut out| out.flush()),
            Some(Compressed::Zstd(out)) => out.finish().and_then(|mut out| out.flush()),
            None => Ok(()),
        }
        .map_err(refuse)?;
        if let Some((partial, path)) = &self.place {
            File::open(partial).and_then(|file| file.sync_all()).map_err(refuse)?;
            fs::rename(partial, path).map_err(refuse)?;
        }
        self.place = None;
        Ok(())
    }

    /// Appends text.
    pub fn text(&mut self, text: &str) -> Result<()> {
        self.write_all(text.as_bytes()).map_err(|error| refusal(error, &self.name))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        self.out = None;
        if let Some((partial, _)) = &self.place {
            let _ = fs::remove_file(partial);
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.as_mut() {
            Some(Compressed::Plain(out)) => out.write(bytes),
            Some(Compressed::Gzip(out)) => out.write(bytes),
            Some(Compressed::Zstd(out)) => out.write(bytes),
            None => Err(io::Error::other("the file is finished")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.out.as_mut() {
            Some(Compressed::Plain(out)) => out.flush(),
            Some(Compressed::Gzip(out)) => out.flush(),
            Some(Compressed::Zstd(out)) => out.flush(),
            None => Ok(()),
        }
    }
}

/// The operating system's refusal to write.
pub(crate) fn refusal(error: io::Error, name: &Path) -> Error {
    let message = format!("could not write: {error}");
    Error::io(message, error).in_file(name)
}
