//! Vectors on disk, by what they were made of: the same text is never embedded twice.
//!
//! One memory-mapped B-tree a folder (LMDB), which several processes may use at once and which a
//! killed one leaves whole. What was put in first leaves first when it is full.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};

use heed::types::{Bytes, U64};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, MdbError, WithoutTls};
use parking_lot::{Mutex, RwLock};

use crate::error::{Error, Result};

/// What a vector is found by: a hash of everything that it depends on.
pub type Key = [u8; 16];

/// Address space of a cache, and so the most that it can ever hold.
const MAP_BYTES: usize = 64 << 30;

/// The size that a cache keeps to when nothing else is said.
pub const DEFAULT_LIMIT: u64 = 8 << 30;

/// Vectors that leave at once when the cache is full.
const LEAVING: usize = 1024;

/// A cache of vectors.
pub struct Cache {
    folder: PathBuf,
    tree: RwLock<Option<Tree>>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheState {
    /// Number of vectors.
    pub vectors: u64,
    /// Bytes that they take on disk.
    pub bytes: u64,
}

struct Tree {
    env: Env<WithoutTls>,
    /// The number under which a key entered, and the vector's bytes.
    vectors: Database<'static, Bytes, Bytes>,
    /// The keys in the order in which they entered.
    order: Database<'static, U64<heed::byteorder::BigEndian>, Bytes>,
    /// Held shared while the cache is open, so that whoever clears it knows of others.
    lock: File,
}

/// Caches that are open in this process: opening one twice would break LMDB's locks.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Cache>>>> = LazyLock::new(Mutex::default);

impl Cache {
    /// The cache in a folder, which is made if it is not there.
    pub fn open(folder: &Path) -> Result<Arc<Self>> {
        let failed = |error: std::io::Error| wrong(folder, error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        let mut open = OPEN.lock();
        if let Some(cache) = open.get(&folder).and_then(Weak::upgrade) {
            return Ok(cache);
        }
        open.retain(|_, cache| cache.strong_count() > 0);
        let tree = Tree::open(&folder)?;
        let cache = Arc::new(Self { folder: folder.clone(), tree: RwLock::new(Some(tree)) });
        open.insert(folder, Arc::downgrade(&cache));
        Ok(cache)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Calls `found` with the place of each key that is here, and its vector.
    pub fn get(&self, keys: &[Key], mut found: impl FnMut(usize, &[f32])) -> Result<()> {
        self.with(|tree| {
            let read = tree.env.read_txn()?;
            let mut vector = Vec::new();
            for (place, key) in keys.iter().enumerate() {
                let Some(bytes) = tree.vectors.get(&read, key)? else { continue };
                let Some((_, bytes)) = bytes.split_first_chunk::<8>() else { continue };
                let (numbers, _) = bytes.as_chunks::<4>();
                vector.clear();
                vector.extend(numbers.iter().map(|&number| f32::from_le_bytes(number)));
                found(place, &vector);
            }
            Ok(())
        })
    }

    /// Puts vectors in; the oldest leave where they would take more than `limit` bytes.
    pub fn put<'a>(
        &self,
        entries: impl IntoIterator<Item = (Key, &'a [f32])>,
        limit: u64,
    ) -> Result<()> {
        let entries: Vec<_> = entries.into_iter().collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.with(|tree| {
            let mut write = tree.env.write_txn()?;
            let limit = limit.min((MAP_BYTES / 4 * 3) as u64);
            let mut next = tree.order.last(&write)?.map_or(0, |(number, _)| number + 1);
            let mut bytes = Vec::new();
            for (key, vector) in &entries {
                if tree.vectors.get(&write, key)?.is_some() {
                    continue;
                }
                bytes.clear();
                bytes.extend_from_slice(&next.to_le_bytes());
                bytes.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
                tree.vectors.put(&mut write, key, &bytes)?;
                tree.order.put(&mut write, &next, key)?;
                next += 1;
            }
            while tree.bytes(&write)? > limit {
                let oldest = tree
                    .order
                    .iter(&write)?
                    .take(LEAVING)
                    .map(|entry| entry.map(|(number, key)| (number, key.to_vec())))
                    .collect::<heed::Result<Vec<_>>>()?;
                if oldest.is_empty() {
                    break;
                }
                for (number, key) in oldest {
                    tree.vectors.delete(&mut write, &key)?;
                    tree.order.delete(&mut write, &number)?;
                }
            }
            write.commit()
        })
    }

    /// What it holds now.
    pub fn state(&self) -> Result<CacheState> {
        self.with(|tree| {
            let read = tree.env.read_txn()?;
            Ok(CacheState { vectors: tree.vectors.len(&read)?, bytes: tree.bytes(&read)? })
        })
    }

    /// Empties it. The space on disk is given back at once where no other process uses it, and
    /// otherwise used again.
    pub fn clear(&self) -> Result<()> {
        self.with(|tree| {
            let mut write = tree.env.write_txn()?;
            tree.vectors.clear(&mut write)?;
            tree.order.clear(&mut write)?;
            write.commit()
        })?;
        let mut tree = self.tree.write();
        let Some(Tree { env, lock, .. }) = tree.take() else { return Ok(()) };
        env.prepare_for_closing().wait();
        // Whoever else holds it shared keeps us from holding it alone.
        let alone = lock.unlock().is_ok() && lock.try_lock().is_ok();
        if alone {
            for file in ["data.mdb", "lock.mdb"] {
                let path = self.folder.join(file);
                if let Err(error) = std::fs::remove_file(&path)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(wrong(&self.folder, error));
                }
            }
        }
        drop(lock);
        *tree = Some(Tree::open(&self.folder)?);
        Ok(())
    }

    fn with<T>(&self, work: impl FnOnce(&Tree) -> heed::Result<T>) -> Result<T> {
        let tree = self.tree.read();
        let Some(tree) = tree.as_ref() else {
            return Err(wrong(&self.folder, "it could not be opened again after it was emptied"));
        };
        work(tree).map_err(|error| failed(&self.folder, error))
    }
}

impl Tree {
    fn open(folder: &Path) -> Result<Self> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(folder.join("in_use"))
            .map_err(|error| wrong(folder, error))?;
        match lock.try_lock_shared() {
            Ok(()) => {}
            // For the moment in which another process empties it.
            Err(TryLockError::WouldBlock) => {
                lock.lock_shared().map_err(|error| wrong(folder, error))?;
            }
            Err(TryLockError::Error(error)) => return Err(wrong(folder, error)),
        }
        Self::open_files(folder, lock).map_err(|error| failed(folder, error))
    }

    fn open_files(folder: &Path, lock: File) -> heed::Result<Self> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_BYTES).max_dbs(2).max_readers(1024);
        // SAFETY: the flag only means that a power cut may undo the last commit. The files are
        // written by nobody but LMDB, and `OPEN` keeps a folder from being opened twice.
        let env = unsafe {
            options.flags(EnvFlags::NO_META_SYNC);
            options.open(folder)?
        };
        env.clear_stale_readers()?;
        let write = env.write_txn()?;
        let opened = env.create_databases_and_commit(write, |open, write| {
            let vectors = open.create_database::<Bytes, Bytes>(write, Some("vectors"))?;
            let order = open
                .create_database::<U64<heed::byteorder::BigEndian>, Bytes>(write, Some("order"))?;
            heed::Result::Ok(CommitOrAbort::<_, ()>::Commit((vectors, order)))
        })?;
        let CommitOrAbort::Commit((vectors, order)) = opened else {
            return Err(heed::Error::Mdb(MdbError::Invalid));
        };
        Ok(Self { env, vectors, order, lock })
    }

    fn bytes(&self, txn: &heed::RoTxn<'_, WithoutTls>) -> heed::Result<u64> {
        let mut pages = 0;
        for stat in [self.vectors.stat(txn)?, self.order.stat(txn)?] {
            let count = stat.branch_pages + stat.leaf_pages + stat.overflow_pages;
            pages += count as u64 * u64::from(stat.page_size);
        }
        Ok(pages)
    }
}

fn failed(folder: &Path, error: heed::Error) -> Error {
    let remedy = match &error {
        heed::Error::Mdb(MdbError::Corrupted | MdbError::Invalid | MdbError::VersionMismatch) => {
            "; delete the folder, nothing but time is lost"
        }
        _ => "",
    };
    wrong(folder, format!("{error}{remedy}"))
}

fn wrong(folder: &Path, reason: impl ToString) -> Error {
    Error::Cache { path: folder.to_path_buf(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        let mut key = [7; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn fill(cache: &Cache, numbers: std::ops::Range<u64>, limit: u64) {
        let vectors: Vec<_> =
            numbers.map(|number| (key(number), vec![number as f32; 384])).collect();
        cache.put(vectors.iter().map(|(key, vector)| (*key, &vector[..])), limit).unwrap();
    }

    fn has(cache: &Cache, number: u64) -> bool {
        let mut found = false;
        cache
            .get(&[key(number)], |_, vector| {
                assert_eq!(vector, vec![number as f32; 384]);
                found = true;
            })
            .unwrap();
        found
    }

    #[test]
    fn what_was_put_in_is_found_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        fill(&cache, 0..3, DEFAULT_LIMIT);
        let mut found = Vec::new();
        cache.get(&[key(2), key(9), key(0)], |place, v| found.push((place, v[0]))).unwrap();
        assert_eq!(found, [(0, 2.0), (2, 0.0)]);
        assert_eq!(cache.state().unwrap().vectors, 3);
    }

    #[test]
    fn it_lasts_and_is_shared() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let same = Cache::open(&folder.path().join(".")).unwrap();
        assert!(Arc::ptr_eq(&cache, &same));
        fill(&cache, 0..10, DEFAULT_LIMIT);
        drop((cache, same));
        assert!(has(&Cache::open(folder.path()).unwrap(), 9));
    }

    #[test]
    fn the_oldest_leave_a_full_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let limit = 4 << 20;
        for start in (0..20_000).step_by(500) {
            fill(&cache, start..start + 500, limit);
            assert!(cache.state().unwrap().bytes <= limit);
        }
        assert!(!has(&cache, 0) && has(&cache, 19_999));
        assert!(cache.state().unwrap().vectors > 500);
        let file = std::fs::metadata(folder.path().join("data.mdb")).unwrap().len();
        assert!(file < 3 * limit, "{file}");
    }

    #[test]
    fn emptying_gives_the_space_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        fill(&cache, 0..5000, DEFAULT_LIMIT);
        let size = || std::fs::metadata(folder.path().join("data.mdb")).unwrap().len();
        let before = size();
        cache.clear().unwrap();
        assert!(size() < before / 10);
        assert_eq!(cache.state().unwrap().vectors, 0);
        fill(&cache, 0..10, DEFAULT_LIMIT);
        assert!(has(&cache, 3));
    }

    #[test]
    fn threads_read_and_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..20 {
                        let start = (thread * 20 + round) * 10;
                        fill(cache, start..start + 10, DEFAULT_LIMIT);
                        assert!(has(cache, start + 9));
                    }
                });
            }
        });
        assert_eq!(cache.state().unwrap().vectors, 800);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data.mdb"), vec![1u8; 8192]).unwrap();
        let error = Cache::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("delete the folder"), "{error}");
    }
}
