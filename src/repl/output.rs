//! Where results go: standard output, a file, or a command.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::repl::format::Format;
use crate::repl::pager::{self, Paged};
use crate::repl::render::{Sink, write_error};

/// Bytes gathered before they are handed to the system.
const BUFFER: usize = 64 << 10;

/// Where results go.
pub struct Output {
    target: Target,
    /// The format that the file's name asks for.
    format: Option<Format>,
    results: usize,
    reader_left: Arc<AtomicBool>,
    pager_opened: Arc<AtomicBool>,
}

enum Target {
    Stdout,
    /// Written as it comes.
    File(BufWriter<File>),
    /// Takes its name when it is whole.
    WholeFile(BufWriter<NamedTempFile>, PathBuf),
    Command(Child),
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        Self::new(Target::Stdout, None)
    }

    /// A file that is written as results come.
    pub fn file(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|source| cannot_write(path, source))?;
        let target = Target::File(BufWriter::with_capacity(BUFFER, file));
        Ok(Self::new(target, Format::of_file(path)))
    }

    /// A file that appears when it is whole: what was there before stays until then.
    pub fn whole_file(path: &Path) -> Result<Self> {
        // A device or a named pipe cannot be replaced, only written to.
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Self::file(path);
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".portolan-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any other file: what the user's mask leaves of it.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(|source| cannot_write(path, source))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self::new(Target::WholeFile(file, path.to_path_buf()), Format::of_file(path)))
    }

    /// The standard input of a command.
    pub fn command(line: &str) -> Result<Self> {
        let child = pager::shell(line).stdin(Stdio::piped()).spawn().map_err(|source| {
            Error::Io { context: format!("'{line}' cannot be started"), source }
        })?;
        Ok(Self::new(Target::Command(child), None))
    }

    fn new(target: Target, format: Option<Format>) -> Self {
        let (reader_left, pager_opened) = Default::default();
        Self { target, format, results: 0, reader_left, pager_opened }
    }

    /// The format that the file's name asks for.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Whether a person looks at it as it comes.
    pub fn is_terminal(&self) -> bool {
        matches!(self.target, Target::Stdout) && io::stdout().is_terminal()
    }

    /// Whether results land in a file of their own.
    pub fn is_file(&self) -> bool {
        matches!(self.target, Target::File(_) | Target::WholeFile(..))
    }

    /// Whether the other end of standard output is closed: nothing that follows will be read.
    pub fn is_closed(&self) -> bool {
        matches!(self.target, Target::Stdout) && self.reader_left()
    }

    /// Whether the reader of the result, a pager or a pipe, has gone away.
    pub fn reader_left(&self) -> bool {
        self.reader_left.load(Ordering::Relaxed)
    }

    /// Becomes true once a pager has the screen.
    pub fn pager_opened(&self) -> Arc<AtomicBool> {
        self.pager_opened.clone()
    }

    /// Where the next result in this format is written to.
    pub fn sink(&mut self, format: Format, with_pager: bool) -> Result<Sink<'_>> {
        if format.is_binary() && self.is_terminal() {
            return Err(Error::Invalid(format!(
                "{} would only confuse the terminal; write it to a file with -o FILE, or into a pipe",
                format.name()
            )));
        }
        if format.is_binary() && self.is_file() && self.results > 0 {
            return Err(Error::Invalid(format!(
                "a file in the format {} holds one result, and it has one already",
                format.name()
            )));
        }
        self.results += 1;
        self.pager_opened.store(false, Ordering::Relaxed);
        self.reader_left.store(false, Ordering::Relaxed);
        let is_terminal = self.is_terminal();
        let sink: Sink<'_> = match &mut self.target {
            Target::Stdout if with_pager && is_terminal => {
                Box::new(Paged::new(self.pager_opened.clone()))
            }
            Target::Stdout => Box::new(BufWriter::with_capacity(BUFFER, io::stdout())),
            Target::File(file) => Box::new(file),
            Target::WholeFile(file, _) => Box::new(file),
            Target::Command(child) => match &mut child.stdin {
                Some(input) => Box::new(BufWriter::with_capacity(BUFFER, input)),
                None => Box::new(io::sink()),
            },
        };
        Ok(Box::new(Watched { sink, reader_left: self.reader_left.clone() }))
    }

    /// Writes a line for people.
    pub fn print(&mut self, text: &str, with_pager: bool) -> Result<()> {
        let mut sink = self.sink(Format::Table, with_pager)?;
        writeln!(sink, "{text}").and_then(|()| sink.flush()).map_err(write_error)
    }

    /// Writes what is left; a whole file takes its name, a command is waited for.
    pub fn close(self) -> Result<()> {
        match self.target {
            Target::Stdout => io::stdout().flush().map_err(write_error),
            Target::File(mut file) => file.flush().map_err(write_error),
            Target::WholeFile(file, path) => {
                let file = file.into_inner().map_err(|error| write_error(error.into_error()))?;
                file.persist(&path).map_err(|error| cannot_write(&path, error.error))?;
                Ok(())
            }
            Target::Command(mut child) => {
                drop(child.stdin.take());
                child.wait().map(|_| ()).map_err(write_error)
            }
        }
    }
}

fn cannot_write(path: &Path, source: io::Error) -> Error {
    Error::Io { context: format!("'{}' cannot be written", path.display()), source }
}

/// Notices when the reader goes away. The writers of some formats hide that in errors of their own.
struct Watched<'a> {
    sink: Sink<'a>,
    reader_left: Arc<AtomicBool>,
}

impl Watched<'_> {
    fn notice<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.reader_left.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes);
        self.notice(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink.flush();
        self.notice(flushed)
    }
}
