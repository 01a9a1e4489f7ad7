//! Servers of other people's making, installed on first use outside the repository, started on a free
//! port of loopback and stopped when the last test lets go of them.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::skipped;

/// A running server.
pub struct Server {
    pub port: u16,
    child: Child,
    /// Its data and its log.
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static MOTO: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static AZURITE: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// moto's S3, or a note that the test is skipped.
pub fn moto() -> Option<Arc<Server>> {
    shared(&MOTO, || {
        let folder = installed("moto-5.2.5", |folder| {
            run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
            run(Command::new(folder.join("bin/python")).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "moto[server]==5.2.5",
            ]))
        })?;
        start(|port, _| {
            let mut command = Command::new(folder.join("bin/python"));
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        })
    })
}

/// The Azure emulator, or a note that the test is skipped.
pub fn azurite() -> Option<Arc<Server>> {
    shared(&AZURITE, || {
        let folder = installed("azurite-3.37.0", |folder| {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
            run(Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(folder)
                .arg("azurite@3.37.0"))
        })?;
        start(|port, data| {
            let mut command = Command::new("node");
            command
                .arg(folder.join("node_modules/azurite/dist/src/blob/main.js"))
                .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
                .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--location"])
                .arg(data);
            command
        })
    })
}

fn shared(
    slot: &Mutex<Weak<Server>>,
    start: impl FnOnce() -> Result<Server, String>,
) -> Option<Arc<Server>> {
    let mut slot = slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(running) = slot.upgrade() {
        return Some(running);
    }
    match start() {
        Ok(server) => {
            let server = Arc::new(server);
            *slot = Arc::downgrade(&server);
            Some(server)
        }
        Err(reason) => {
            skipped::skip(&reason);
            None
        }
    }
}

/// A folder of the cache, filled by `install` if it is not there yet.
fn installed(
    name: &str,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let cache = match std::env::var_os("PORTOLAN_TEST_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => std::env::home_dir().ok_or("no home folder")?.join(".cache/portolan/test"),
    };
    let folder = cache.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    // Half an installation must not be taken for a whole one.
    let partial = cache.join(format!("{name}.partial-{}", std::process::id()));
    let result = install(&partial)
        .and_then(|()| std::fs::rename(&partial, &folder).map_err(|error| error.to_string()));
    let _ = std::fs::remove_dir_all(&partial);
    match result {
        Ok(()) => Ok(folder),
        Err(_) if folder.exists() => Ok(folder),
        Err(reason) => Err(format!("{name} cannot be installed: {reason}")),
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let message = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program}: {}", message.lines().last().unwrap_or("failed")))
        }
    }
}

fn start(command: impl Fn(u16, &Path) -> Command) -> Result<Server, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let port = free_port()?;
    let log = File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
    let mut command = command(port, folder.path());
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut server = Server { port, child, _folder: folder };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let exited = server.child.try_wait().map_err(|error| error.to_string())?;
        if exited.is_some() || begun.elapsed() > Duration::from_secs(90) {
            let log = std::fs::read_to_string(server._folder.path().join("log"));
            let log = log.unwrap_or_default();
            return Err(format!("{program} does not start: {}", log.lines().last().unwrap_or("")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
