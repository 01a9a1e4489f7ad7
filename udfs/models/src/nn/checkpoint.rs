//! Weights in files that PyTorch wrote before version 1.6: five pickles one after another, then the
//! bare numbers. The pickles are only ever read as data; none of what they name is run.

use std::collections::HashMap;
use std::path::Path;

use candle_core::pickle::{Object, Stack};

use super::tensors::Tensors;
use crate::error::{Error, Result};

/// The first pickle: a number that says what this is.
const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Reads all tensors of f32 of such a file.
pub fn read_checkpoint(path: &Path) -> Result<Tensors> {
    let bytes = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    let tensors = parse(&bytes).map_err(|reason| {
        Error::file(path, format!("is no old PyTorch checkpoint that can be read: {reason}"))
    })?;
    Ok(Tensors::owned(path, tensors))
}

type Shaped = (Vec<usize>, Vec<f32>);

fn parse(bytes: &[u8]) -> Result<HashMap<String, Shaped>, String> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or("it does not begin as one")?;
    let _version = unpickle(&mut rest)?;
    let _machine = unpickle(&mut rest)?;
    let Object::Dict(entries) = unpickle(&mut rest)? else {
        return Err("it does not hold named tensors".to_string());
    };
    let Object::List(keys) = unpickle(&mut rest)? else {
        return Err("it does not name its storages".to_string());
    };
    let views: Vec<View> = entries.into_iter().filter_map(View::of_entry).collect();
    // How long numbers are is said only where they are used.
    let used: HashMap<&str, &View> = views.iter().map(|view| (&view.storage[..], view)).collect();
    let mut storages = HashMap::new();
    for key in keys {
        let Object::Unicode(key) = key else { return Err("a storage has no name".to_string()) };
        let view = used.get(&key[..]).ok_or_else(|| format!("storage {key} is not used"))?;
        let (count, numbers) = rest.split_first_chunk().ok_or("it is cut off")?;
        let length = usize::try_from(i64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(view.bytes))
            .ok_or("a storage has no length")?;
        let (numbers, after) = numbers.split_at_checked(length).ok_or("it is cut off")?;
        storages.insert(key, numbers);
        rest = after;
    }
    let mut tensors = HashMap::with_capacity(views.len());
    for view in views.iter().filter(|view| view.float) {
        let storage = storages
            .get(&view.storage)
            .ok_or_else(|| format!("tensor '{}' has no storage", view.name))?;
        let values = view
            .values(storage)
            .ok_or_else(|| format!("tensor '{}' reaches beyond its storage", view.name))?;
        tensors.insert(view.name.clone(), (view.shape.clone(), values));
    }
    Ok(tensors)
}

fn unpickle(rest: &mut &[u8]) -> Result<Object, String> {
    let mut stack = Stack::empty();
    stack.read_loop(rest).map_err(|error| error.to_string())?;
    stack.finalize().map_err(|error| error.to_string())
}

/// A tensor, as numbers of a storage in some order.
struct View {
    name: String,
    storage: String,
    float: bool,
    /// Of each number.
    bytes: usize,
    first: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl View {
    /// `None` for what is not a tensor.
    fn of_entry((name, value): (Object, Object)) -> Option<Self> {
        let (Object::Unicode(name), Object::Reduce { args, .. }) = (name, value) else {
            return None;
        };
        // Storage, first number, shape, strides, and what only training needs.
        let mut args = args.tuple().ok()?.into_iter();
        let storage = args.next()?.persistent_load().ok()?.tuple().ok()?;
        let first = usize::try_from(args.next()?).ok()?;
        let shape = Vec::try_from(args.next()?).ok()?;
        let strides = Vec::try_from(args.next()?).ok()?;
        // "storage", its kind, its key, where it lay, its length.
        let mut storage = storage.into_iter().skip(1);
        let (_, kind) = storage.next()?.class().ok()?;
        let (float, bytes) = match kind.as_str() {
            "FloatStorage" => (true, 4),
            "DoubleStorage" | "LongStorage" => (false, 8),
            "IntStorage" => (false, 4),
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => (false, 2),
            _ => (false, 1),
        };
        let storage = storage.next()?.unicode().ok()?;
        Some(Self { name, storage, float, bytes, first, shape, strides })
    }

    /// Its numbers, row after row.
    fn values(&self, storage: &[u8]) -> Option<Vec<f32>> {
        let (numbers, _) = storage.as_chunks::<4>();
        let count = self.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))?;
        if self.strides.len() != self.shape.len() || count > numbers.len() {
            return None;
        }
        let mut values = Vec::with_capacity(count);
        let mut place = vec![0; self.shape.len()];
        for _ in 0..count {
            let steps = place.iter().zip(&self.strides);
            let at = steps.map(|(place, stride)| place * stride).sum::<usize>() + self.first;
            values.push(f32::from_le_bytes(*numbers.get(at)?));
            for (place, &side) in place.iter_mut().zip(&self.shape).rev() {
                *place += 1;
                if *place < side {
                    break;
                }
                *place = 0;
            }
        }
        Some(values)
    }
}
