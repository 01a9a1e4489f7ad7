//! Weights as they lie in a model's files: mapped into memory and used in place where they are f32
//! already, converted where they are not.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};

/// The tensors of a model.
pub struct Tensors {
    path: PathBuf,
    /// Put before every name that is asked for, for files that keep a model under a name of its own.
    prefix: String,
    source: Source,
}

enum Source {
    Mapped { map: Arc<Mmap>, entries: HashMap<String, Entry> },
    Owned(HashMap<String, (Vec<usize>, Vec<f32>)>),
}

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

/// A matrix of weights, row by row.
pub struct Table {
    values: Values,
    width: usize,
}

enum Values {
    Owned(Vec<f32>),
    /// Bytes that are known to be aligned f32s.
    Mapped(Arc<Mmap>, Range<usize>),
}

impl Tensors {
    /// The tensors of a `.safetensors` file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::file(path, error))?;
        // SAFETY: model files are placed whole and never written again; whoever changes one in place
        // while it is used gets wrong vectors, as with any mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| Error::file(path, error))?;
        let damaged = |error| Error::file(path, format!("is not a safetensors file: {error}"));
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(damaged)?;
        let start = header + size_of::<u64>();
        let entries = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let (from, to) = info.data_offsets;
                let range = start + from..start + to;
                (name, Entry { dtype: info.dtype, shape: info.shape.clone(), range })
            })
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            prefix: String::new(),
            source: Source::Mapped { map: Arc::new(map), entries },
        })
    }

    /// Tensors that were read by other means.
    pub fn owned(path: &Path, tensors: HashMap<String, (Vec<usize>, Vec<f32>)>) -> Self {
        Self { path: path.to_path_buf(), prefix: String::new(), source: Source::Owned(tensors) }
    }

    /// The same tensors by names without their common prefix, if they have it.
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        if self.names().any(|name| name.starts_with(prefix)) {
            self.prefix = prefix.to_string();
        }
        self
    }

    /// The names in the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (mapped, owned) = match &self.source {
            Source::Mapped { entries, .. } => (Some(entries.keys()), None),
            Source::Owned(tensors) => (None, Some(tensors.keys())),
        };
        mapped.into_iter().flatten().chain(owned.into_iter().flatten()).map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        let name = self.full(name);
        match &self.source {
            Source::Mapped { entries, .. } => entries.contains_key(name.as_ref()),
            Source::Owned(tensors) => tensors.contains_key(name.as_ref()),
        }
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Result<&[usize]> {
        let full = self.full(name);
        match &self.source {
            Source::Mapped { entries, .. } => entries.get(full.as_ref()).map(|e| &e.shape[..]),
            Source::Owned(tensors) => tensors.get(full.as_ref()).map(|(shape, _)| &shape[..]),
        }
        .ok_or_else(|| Error::file(&self.path, format!("has no tensor '{full}'")))
    }

    /// All values of a tensor that has that many.
    pub fn vector(&self, name: &str, count: usize) -> Result<Vec<f32>> {
        self.check(name, count, &format!("{count} values"))?;
        Ok(match self.values(name)? {
            Values::Owned(values) => values,
            Values::Mapped(map, range) => floats(&map[range]).to_vec(),
        })
    }

    /// A tensor as a matrix; its dimensions may be cut in other ways, as long as they are that many.
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table> {
        self.check(name, rows * width, &format!("{rows} x {width}"))?;
        Ok(Table { values: self.values(name)?, width })
    }

    fn full<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.prefix.is_empty() {
            return Cow::Borrowed(name);
        }
        Cow::Owned(format!("{}{name}", self.prefix))
    }

    fn check(&self, name: &str, count: usize, wanted: &str) -> Result<()> {
        let shape = self.shape(name)?;
        if shape.iter().product::<usize>() == count {
            return Ok(());
        }
        let full = self.full(name);
        let reason = format!("tensor '{full}' has shape {shape:?}; its config.json means {wanted}");
        Err(Error::file(&self.path, reason))
    }

    fn values(&self, name: &str) -> Result<Values> {
        let full = self.full(name);
        let missing = || Error::file(&self.path, format!("has no tensor '{full}'"));
        let (map, entries) = match &self.source {
            Source::Owned(tensors) => {
                let (_, values) = tensors.get(full.as_ref()).ok_or_else(missing)?;
                return Ok(Values::Owned(values.clone()));
            }
            Source::Mapped { map, entries } => (map, entries),
        };
        let entry = entries.get(full.as_ref()).ok_or_else(missing)?;
        let bytes = &map[entry.range.clone()];
        Ok(match entry.dtype {
            Dtype::F32 if in_place(bytes) => Values::Mapped(map.clone(), entry.range.clone()),
            Dtype::F32 => Values::Owned(convert(bytes, f32::from_le_bytes)),
            Dtype::F16 => Values::Owned(convert(bytes, |b| f16::from_le_bytes(b).to_f32())),
            Dtype::BF16 => Values::Owned(convert(bytes, |b| bf16::from_le_bytes(b).to_f32())),
            Dtype::F64 => Values::Owned(convert(bytes, |b| f64::from_le_bytes(b) as f32)),
            other => {
                let reason = format!(
                    "tensor '{full}' holds {other:?}; weights are read as F64, F32, F16 or BF16"
                );
                return Err(Error::file(&self.path, reason));
            }
        })
    }
}

impl Table {
    /// From values at hand: rows of `width`.
    pub fn owned(values: Vec<f32>, width: usize) -> Self {
        Self { values: Values::Owned(values), width }
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        match &self.values {
            Values::Owned(values) => values,
            Values::Mapped(map, range) => floats(&map[range.clone()]),
        }
    }

    /// Length of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values().len() / self.width.max(1)
    }

    /// One row, if there are so many.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        let start = index.checked_mul(self.width)?;
        self.values().get(start..start + self.width)
    }
}

/// Whether these bytes can be read as f32 where they lie.
fn in_place(bytes: &[u8]) -> bool {
    cfg!(target_endian = "little")
        && bytes.as_ptr().align_offset(align_of::<f32>()) == 0
        && bytes.len().is_multiple_of(size_of::<f32>())
}

/// Bytes of which `in_place` said yes.
fn floats(bytes: &[u8]) -> &[f32] {
    // SAFETY: every bit pattern is an f32, and align_to itself sees to the alignment; nothing is
    // cut off, as `in_place` has made sure.
    let (_, values, _) = unsafe { bytes.align_to::<f32>() };
    values
}

fn convert<const N: usize>(bytes: &[u8], to_f32: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|&value| to_f32(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{TensorView, serialize_to_file};

    fn file(folder: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> PathBuf {
        let path = folder.join("model.safetensors");
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        serialize_to_file(views, None, &path).unwrap();
        path
    }

    #[test]
    fn every_float_becomes_f32() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(
            folder.path(),
            &[
                ("a", Dtype::F32, vec![2, 1], [1.5f32, -2.0].map(f32::to_le_bytes).concat()),
                (
                    "b",
                    Dtype::F16,
                    vec![2],
                    [1.5f32, -2.0].map(|x| f16::from_f32(x).to_le_bytes()).concat(),
                ),
                (
                    "c",
                    Dtype::BF16,
                    vec![2],
                    [1.5f32, -2.0].map(|x| bf16::from_f32(x).to_le_bytes()).concat(),
                ),
                ("d", Dtype::F64, vec![2], [1.5f64, -2.0].map(f64::to_le_bytes).concat()),
                ("e", Dtype::I32, vec![2], vec![0; 8]),
            ],
        );
        let tensors = Tensors::open(&path).unwrap();
        for name in ["a", "b", "c", "d"] {
            assert_eq!(tensors.vector(name, 2).unwrap(), [1.5, -2.0], "{name}");
        }
        let table = tensors.table("a", 2, 1).unwrap();
        assert_eq!(table.row(1), Some(&[-2.0f32][..]));
        assert_eq!(table.row(2), None);
        let wrong = |result: Result<Vec<f32>>| result.unwrap_err().to_string();
        assert!(wrong(tensors.vector("e", 2)).contains("holds I32"));
        assert!(wrong(tensors.vector("a", 3)).contains("has shape [2, 1]"));
        assert!(wrong(tensors.vector("x", 1)).contains("has no tensor 'x'"));
    }

    #[test]
    fn a_prefix_is_left_out_where_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = 1f32.to_le_bytes().to_vec();
        let path = file(folder.path(), &[("bert.a", Dtype::F32, vec![1], bytes)]);
        let tensors = Tensors::open(&path).unwrap().without_prefix("bert.");
        assert!(tensors.has("a"));
        let tensors = Tensors::open(&path).unwrap().without_prefix("roberta.");
        assert!(tensors.has("bert.a"));
    }

    #[test]
    fn a_file_that_is_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, b"version https://git-lfs.github.com/spec/v1").unwrap();
        let error = Tensors::open(&path).err().unwrap().to_string();
        assert!(error.contains("is not a safetensors file"), "{error}");
    }
}
