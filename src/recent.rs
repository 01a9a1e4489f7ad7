//! What is kept in memory while there is room: what was longest not asked for leaves first.

use std::hash::Hash;
use std::sync::Arc;

use moka::future::Cache;
use moka::policy::EvictionPolicy;

/// Values by their keys, up to so many bytes of both.
pub fn recent<K, V>(
    most: usize,
    bytes: impl Fn(&K, &V) -> usize + Send + Sync + 'static,
) -> Cache<K, Arc<V>>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    // Weights have 32 bits, and a column of vectors may have more bytes than those can tell.
    let kibibytes = move |key: &K, value: &Arc<V>| {
        u32::try_from(bytes(key, value).div_ceil(1024)).unwrap_or(u32::MAX)
    };
    Cache::builder()
        .max_capacity(most as u64 / 1024)
        .weigher(kibibytes)
        .eviction_policy(EvictionPolicy::lru())
        .build()
}
