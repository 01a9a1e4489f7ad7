//! Many images through one model: decoded and run on all cores, each image once.

use bytes::Bytes;
use parking_lot::Mutex;
use rayon::prelude::*;

use crate::embedded::Embedded;
use crate::embedder::{Conditions, on_workers};
use crate::error::{Error, Result};
use crate::image::MAX_PIXELS;
use crate::once::{Recipe, embed_once};
use crate::vector;
use crate::vision::{ImageModel, Workspace};

/// Bytes of buffers that are kept from run to run.
const KEPT_BYTES: usize = 256 << 20;

/// An image model and what running it takes. All partitions of all queries share one.
pub struct ImageEmbedder {
    model: Box<dyn ImageModel>,
    fingerprint: String,
    spaces: Mutex<Vec<Workspace>>,
}

impl ImageEmbedder {
    /// From a model, and what tells its vectors from another's.
    pub fn new(model: Box<dyn ImageModel>, fingerprint: String) -> Self {
        Self { model, fingerprint, spaces: Mutex::default() }
    }

    /// Whether its network runs on a device.
    pub fn is_on_device(&self) -> bool {
        self.model.is_on_device()
    }

    /// Length of its whole vectors.
    pub fn dims(&self) -> usize {
        self.model.dims()
    }

    /// The vectors of some files' contents, in their order. A file that is no image, or a damaged
    /// one, is a failure of its row.
    pub fn embed(
        &self,
        images: &[Bytes],
        dims: usize,
        conditions: &Conditions<'_>,
    ) -> Result<Embedded> {
        if dims == 0 || dims > self.dims() {
            return Err(Error::Argument(format!(
                "vectors of {} have 1 to {} dimensions, not {dims}",
                self.fingerprint,
                self.dims()
            )));
        }
        let inputs: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
        let recipe = Recipe { fingerprint: &self.fingerprint, parts: ["image", ""], dims };
        embed_once(&inputs, &recipe, conditions.kept, conditions.watch, |places| {
            // Some cores decode the next pictures while others compute.
            let pictures = self.model.pictures().max(1);
            let runs: Vec<Run> = on_workers(|| {
                places
                    .par_chunks(pictures)
                    .map(|places| self.run(places, &inputs, dims, conditions))
                    .collect::<Result<_>>()
            })?;
            let mut embedded = Embedded { dims, tokens: Some(0), ..Embedded::default() };
            for (run, first) in runs.into_iter().zip((0..).step_by(pictures)) {
                let failures = run.failures.into_iter();
                embedded.failures.extend(failures.map(|(row, error)| (first + row, error)));
                embedded.values.extend(run.values);
            }
            Ok(embedded)
        })
    }

    fn run(
        &self,
        places: &[usize],
        inputs: &[&[u8]],
        dims: usize,
        conditions: &Conditions<'_>,
    ) -> Result<Run> {
        let watch = conditions.watch;
        let stopped = || watch.stopped();
        let mut run = Run { values: vec![0.0; places.len() * dims], failures: Vec::new() };
        let mut decoded = Vec::new();
        let mut rows = Vec::new();
        for (row, &place) in places.iter().enumerate() {
            if stopped() {
                return Err(Error::Stopped);
            }
            match self.model.preprocessing().read(inputs[place], MAX_PIXELS) {
                Ok(input) => {
                    decoded.push(input);
                    rows.push(row);
                }
                Err(error) => run.failures.push((row, error)),
            }
        }
        if decoded.is_empty() {
            return Ok(run);
        }
        let mut space = self.spaces.lock().pop().unwrap_or_default();
        let mut vectors = Vec::with_capacity(decoded.len() * self.dims());
        let images: Vec<_> = decoded.iter().collect();
        self.model.run(&images, &mut space, &mut vectors, &stopped)?;
        space.shrink(KEPT_BYTES);
        self.spaces.lock().push(space);
        let vectors = vector::cut(vectors, self.dims(), dims);
        for (row, vector) in rows.iter().zip(vectors.chunks_exact(dims)) {
            run.values[row * dims..][..dims].copy_from_slice(vector);
        }
        watch.ran(rows.len() as u64, 0);
        Ok(run)
    }
}

/// What came of some images.
struct Run {
    values: Vec<f32>,
    failures: Vec<(usize, Error)>,
}
