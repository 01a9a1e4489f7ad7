//! What several calls of one statement need and is made once: who is near whom, what rows are about.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

/// A hash of all that something is made of.
pub type Key = [u8; 32];

/// How many things are kept. The calls for a partition follow each other, so a few are enough.
const MOST: usize = 8;

/// What has been made, the latest last.
#[derive(Default)]
pub struct Once {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    key: Key,
    made: Arc<dyn Any + Send + Sync>,
    /// Held for as long as the thing is.
    _memory: Option<Box<dyn Any + Send>>,
}

impl Once {
    /// What was made of that, if it is still kept.
    pub fn find<T: Any + Send + Sync>(&self, key: &Key) -> Option<Arc<T>> {
        let kept = self.kept.lock();
        let found = kept.iter().find(|kept| kept.key == *key)?;
        found.made.clone().downcast().ok()
    }

    /// Keeps something with the memory that is counted for it.
    pub fn keep<T: Any + Send + Sync>(
        &self,
        key: Key,
        made: Arc<T>,
        memory: Option<Box<dyn Any + Send>>,
    ) {
        let mut kept = self.kept.lock();
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back(Kept { key, made, _memory: memory });
    }

    /// Gives everything up.
    pub fn forget(&self) {
        self.kept.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_things_are_kept_by_what_they_are_made_of() {
        let once = Once::default();
        let key = |number: usize| [u8::try_from(number).unwrap(); 32];
        for number in 0..=MOST {
            once.keep(key(number), Arc::new(number), None);
        }
        assert!(once.find::<usize>(&key(0)).is_none());
        assert_eq!(once.find::<usize>(&key(MOST)).as_deref(), Some(&MOST));
        assert!(once.find::<String>(&key(MOST)).is_none());
        once.forget();
        assert!(once.find::<usize>(&key(MOST)).is_none());
    }
}
