//! Memory of functions that work on many rows at once, counted with that of the engine's operators.

use std::any::Any;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use portolan_udfs::Memory;

/// The pool of a session's queries.
pub struct Pool {
    pool: Arc<dyn MemoryPool>,
}

impl Pool {
    /// The one that a session has now.
    pub fn of(state: &SessionState) -> Self {
        Self { pool: state.runtime_env().memory_pool.clone() }
    }
}

impl Memory for Pool {
    fn reserve(&self, whom: &str, wanted: usize) -> Result<Box<dyn Any + Send>> {
        let reservation = MemoryConsumer::new(whom).register(&self.pool);
        match reservation.try_grow(wanted) {
            Ok(()) => Ok(Box::new(reservation)),
            Err(_) => Err(exhausted(whom, wanted)),
        }
    }
}

/// Why a function cannot have so many bytes.
pub fn exhausted(whom: &str, bytes: usize) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "{whom} needs about {} MB of memory, more than portolan.memory_limit leaves; SET portolan.memory_limit to more, or give it fewer rows or shorter vectors",
        bytes.div_ceil(1 << 20)
    ))
}
