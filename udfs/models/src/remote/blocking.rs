//! Requests for callers that cannot await: functions that a query engine calls in the middle of its
//! own polling.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// How often a waiting caller looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// One thread for the requests of the whole process, begun with the first of them. The error is kept
/// as text: every caller gets it.
static RUNTIME: LazyLock<Result<Handle, String>> =
    LazyLock::new(|| start().map_err(|error| error.to_string()));

fn start() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("portolan-remote".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// Drops a future that nobody waits for any more.
struct Dropping(JoinHandle<()>);

impl Drop for Dropping {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for a future that runs on a thread of its own, and gives up within 100 ms when `stop` says
/// so: then the future is dropped, and with it its requests, and the answer is [`Error::Stopped`].
/// Works anywhere, within another runtime too.
///
/// ```
/// use portolan_models::remote::block_on;
///
/// assert_eq!(block_on(async { Ok(1 + 1) }, &|| false)?, 2);
/// # Ok::<(), portolan_models::Error>(())
/// ```
pub fn block_on<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
    stop: &dyn Fn() -> bool,
) -> Result<T> {
    let runtime = RUNTIME.as_ref().map_err(|error| {
        Error::Remote(format!("no thread could be started for remote requests ({error})"))
    })?;
    let (sender, receiver) = sync_channel(1);
    // The receiver is gone only where nobody waits any more.
    let _running = Dropping(runtime.spawn(async move {
        let _ = sender.send(future.await);
    }));
    loop {
        if stop() {
            return Err(Error::Stopped);
        }
        match receiver.recv_timeout(LOOK) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Remote("a remote request ended without a result".into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;

    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn stopping_drops_the_future_at_once() {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(dropped.clone());
        let start = Instant::now();
        let result: Result<()> = block_on(
            async move {
                let _flag = flag;
                std::future::pending().await
            },
            &|| start.elapsed() > Duration::from_millis(30),
        );
        assert!(matches!(result, Err(Error::Stopped)));
        // 30 ms and one look; the rest is for a machine that is busy.
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        while !dropped.load(Ordering::SeqCst) {
            assert!(start.elapsed() < Duration::from_secs(10), "the future lives on");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_panic_is_an_error_and_the_thread_lives_on() {
        let result: Result<()> = block_on(async { panic!("on purpose") }, &|| false);
        assert!(result.unwrap_err().to_string().contains("without a result"));
        assert_eq!(block_on(async { Ok(3) }, &|| false).unwrap(), 3);
    }

    #[tokio::test]
    async fn works_within_another_runtime() {
        let slept = block_on(
            async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(thread::current().name().map(str::to_owned))
            },
            &|| false,
        );
        assert_eq!(slept.unwrap().as_deref(), Some("portolan-remote"));
    }

    #[test]
    fn many_callers_share_the_thread() {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                thread::spawn(move || {
                    block_on(
                        async move {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            Ok(caller)
                        },
                        &|| false,
                    )
                })
            })
            .collect();
        for (caller, thread) in callers.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap().unwrap(), caller);
        }
    }
}
