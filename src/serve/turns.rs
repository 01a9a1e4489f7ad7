//! How many statements run at once, and how long one may take. They run on threads of their own: one that computes
//! without a pause keeps neither the clock nor other clients waiting.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;

/// Requests that may wait for each statement that runs. More are told to come again.
const WAITING: usize = 128;

/// The turns of one server. Clones share them.
#[derive(Clone)]
pub struct Turns {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    timeout: Duration,
    engine: Handle,
}

/// Stops a task when whoever asked for it is gone.
struct Stops(AbortHandle);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The right to run a statement, until a time.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
    pub until: Instant,
}

impl Turns {
    /// That many statements at once, each as long, on these threads.
    pub fn new(at_once: usize, timeout: Duration, engine: Handle) -> Self {
        let at_once = at_once.clamp(1, 1 << 16);
        let waiting = Arc::new(Semaphore::new(at_once * WAITING));
        Self { running: Arc::new(Semaphore::new(at_once)), waiting, timeout, engine }
    }

    /// Waits for a turn.
    pub async fn take(&self) -> Result<Turn, Refusal> {
        let busy = || {
            let message = "the server is busy with other statements; try again";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
        };
        let _waits = self.waiting.clone().try_acquire_owned().map_err(|_| busy())?;
        let patience = Instant::now() + self.timeout;
        let turn = timeout_at(patience, self.running.clone().acquire_owned()).await;
        let permit = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        Ok(Turn { _permit: permit, until: Instant::now() + self.timeout })
    }

    /// Runs something short in a turn. It stops when the client goes away, and a panic in it is its own.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = self.take().await?;
        let until = turn.until;
        // Held until the work has ended, which may be later than anyone waits for it.
        let task = self.engine.spawn(async move {
            let _turn = turn;
            work.await
        });
        let _stops = Stops(task.abort_handle());
        match timeout_at(until, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(broken()),
            Err(_) => Err(self.too_long()),
        }
    }

    /// Runs work whose end nobody waits for.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.engine.spawn(work);
    }

    /// The refusal of a statement that took too long.
    pub fn too_long(&self) -> Refusal {
        let message =
            format!("the statement took longer than {} s and was stopped", self.timeout.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, message)
    }
}

/// The refusal of a statement that the engine broke down under.
pub fn broken() -> Refusal {
    let message = "the engine broke down under this statement; the server goes on";
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    async fn breaks_down() -> Result<(), Refusal> {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn too_long_too_many_and_broken() {
        let turns = Turns::new(1, Duration::from_millis(50), Handle::current());
        let slow = turns.run(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(())
        });
        assert_eq!(slow.await.unwrap_err().status, StatusCode::REQUEST_TIMEOUT);
        let held = turns.take().await.unwrap();
        let refused = turns.run(async { Ok(()) }).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        turns.run(async { Ok(()) }).await.unwrap();
        let broke = turns.run(breaks_down()).await.unwrap_err();
        assert_eq!(broke.status, StatusCode::INTERNAL_SERVER_ERROR);
        turns.run(async { Ok(()) }).await.unwrap();
    }
}
