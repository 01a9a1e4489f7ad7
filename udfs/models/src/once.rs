//! Each different input once: what is in the cache is taken from there, and what occurs again is
//! not run again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::cache::{Cache, Key};
use crate::embedded::Embedded;
use crate::embedder::Watch;
use crate::error::{Error, Result};

/// Inputs that are run and cached before the next are looked at.
const SLICE: usize = 4096;

/// Where vectors are kept.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The cache.
    pub cache: &'a Cache,
    /// Bytes that it may grow to.
    pub limit: u64,
}

/// Everything that a vector depends on besides its input.
#[derive(Debug, Clone)]
pub struct Recipe<'a> {
    /// The model and its weights.
    pub fingerprint: &'a str,
    /// What else decides: a prefix, a mode.
    pub parts: [&'a str; 2],
    /// Length of the vectors.
    pub dims: usize,
}

impl Recipe<'_> {
    /// What the vector of an input is found by.
    fn key(&self, input: &[u8]) -> Key {
        let mut hash = blake3::Hasher::new();
        for part in [self.fingerprint, self.parts[0], self.parts[1]] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(&crate::RECIPE.to_le_bytes());
        hash.update(&(self.dims as u64).to_le_bytes());
        hash.update(input);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        key
    }
}

/// The vectors of some inputs, in their order. `run` makes those of the inputs at some places.
pub fn embed_once(
    inputs: &[&[u8]],
    recipe: &Recipe<'_>,
    kept: Option<Kept<'_>>,
    watch: &dyn Watch,
    mut run: impl FnMut(&[usize]) -> Result<Embedded>,
) -> Result<Embedded> {
    let dims = recipe.dims;
    let (distinct, places) = distinct(inputs);
    let mut vectors = vec![0f32; distinct.len() * dims];
    let mut here = vec![false; distinct.len()];
    let mut keys: Vec<Key> = Vec::new();
    if let Some(kept) = kept {
        keys.extend(distinct.iter().map(|&place| recipe.key(inputs[place])));
        // A cache that fails only makes the work longer.
        let _ = kept.cache.get(&keys, |input, vector| {
            if vector.len() == dims {
                vectors[input * dims..][..dims].copy_from_slice(vector);
                here[input] = true;
            }
        });
        watch.cached(places.iter().filter(|input| here[**input]).count() as u64);
    }
    let missing: Vec<usize> = (0..distinct.len()).filter(|input| !here[*input]).collect();
    let mut failures: HashMap<usize, String> = HashMap::new();
    let mut tokens = Some(0);
    for slice in missing.chunks(SLICE) {
        let first: Vec<usize> = slice.iter().map(|&input| distinct[input]).collect();
        let embedded = run(&first)?;
        check(&embedded, slice.len(), dims)?;
        tokens = tokens.zip(embedded.tokens).map(|(sum, some)| sum + some);
        for (row, error) in embedded.failures {
            failures.insert(slice[row], error.to_string());
        }
        for (&input, vector) in slice.iter().zip(embedded.values.chunks_exact(dims)) {
            vectors[input * dims..][..dims].copy_from_slice(vector);
        }
        if let Some(kept) = kept {
            let entries = slice
                .iter()
                .filter(|input| !failures.contains_key(input))
                .map(|&input| (keys[input], &vectors[input * dims..][..dims]));
            let _ = kept.cache.put(entries, kept.limit);
        }
    }
    let mut embedded = Embedded { dims, values: vectors, failures: Vec::new(), tokens };
    if distinct.len() < inputs.len() {
        let vectors = embedded.values;
        embedded.values = Vec::with_capacity(inputs.len() * dims);
        for &input in &places {
            embedded.values.extend_from_slice(&vectors[input * dims..][..dims]);
        }
    }
    if !failures.is_empty() {
        let failed = |(row, input)| Some((row, Error::Input(failures.get(input)?.clone())));
        embedded.failures = places.iter().enumerate().filter_map(failed).collect();
    }
    Ok(embedded)
}

fn check(embedded: &Embedded, rows: usize, dims: usize) -> Result<()> {
    if embedded.values.len() == rows * dims {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "{rows} vectors of {dims} numbers were asked for; {} numbers came",
        embedded.values.len()
    )))
}

/// Where the different inputs stand first, and which of them stands at each place.
fn distinct(inputs: &[&[u8]]) -> (Vec<usize>, Vec<usize>) {
    let mut distinct = Vec::new();
    let mut known = HashMap::with_capacity(inputs.len());
    let places = inputs
        .iter()
        .enumerate()
        .map(|(place, &input)| match known.entry(input) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                distinct.push(place);
                *entry.insert(distinct.len() - 1)
            }
        })
        .collect();
    (distinct, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedder::Unwatched;

    const RECIPE: Recipe<'_> = Recipe { fingerprint: "m@1", parts: ["", "truncate"], dims: 2 };

    /// A vector of an input's length and first byte; "bad" fails. Counts the inputs.
    fn embed(inputs: &[&str], recipe: &Recipe<'_>, kept: Option<Kept<'_>>) -> (Embedded, usize) {
        let bytes: Vec<&[u8]> = inputs.iter().map(|input| input.as_bytes()).collect();
        let mut ran = 0;
        let embedded = embed_once(&bytes, recipe, kept, &Unwatched, |places| {
            ran += places.len();
            let mut some =
                Embedded { dims: 2, tokens: Some(places.len() as u64), ..Embedded::default() };
            for (row, &place) in places.iter().enumerate() {
                let input = bytes[place];
                some.values.extend([input.len() as f32, f32::from(*input.first().unwrap_or(&0))]);
                if input == b"bad" {
                    some.failures.push((row, Error::Input("is bad".to_string())));
                }
            }
            Ok(some)
        })
        .unwrap();
        (embedded, ran)
    }

    #[test]
    fn what_occurs_again_is_not_run_again_and_the_order_stays() {
        let (embedded, ran) = embed(&["a", "bb", "a", "", "bb", "a"], &RECIPE, None);
        assert_eq!(ran, 3);
        let lengths: Vec<f32> = embedded.values.chunks(2).map(|vector| vector[0]).collect();
        assert_eq!(lengths, [1.0, 2.0, 1.0, 0.0, 2.0, 1.0]);
    }

    #[test]
    fn what_was_run_once_comes_from_the_cache_and_failures_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let kept = Some(Kept { cache: &cache, limit: 1 << 30 });
        let (first, ran) = embed(&["a", "bad", "cc", "bad"], &RECIPE, kept);
        assert_eq!(ran, 3);
        assert_eq!(first.failures.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 3]);
        let (again, ran) = embed(&["cc", "bad", "a"], &RECIPE, kept);
        assert_eq!(ran, 1, "only the one that failed");
        assert_eq!(again.vector(0), first.vector(2));
        assert_eq!(again.vector(1), None);
    }

    #[test]
    fn another_recipe_has_other_vectors() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let kept = Some(Kept { cache: &cache, limit: 1 << 30 });
        embed(&["a"], &RECIPE, kept);
        for other in [
            Recipe { fingerprint: "m@2", ..RECIPE },
            Recipe { parts: ["query: ", "truncate"], ..RECIPE },
            Recipe { parts: ["", "mean"], ..RECIPE },
            // What is moved from one part to the next is not the same.
            Recipe { parts: ["t", "runcate"], ..RECIPE },
        ] {
            assert_eq!(embed(&["a"], &other, kept).1, 1, "{other:?}");
        }
        assert_eq!(embed(&["a"], &RECIPE, kept).1, 0);
    }
}
