//! Many texts through one model: sorted by length and packed into runs that all cores share.

use std::sync::LazyLock;

use parking_lot::Mutex;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::embedded::Embedded;
use crate::error::{Error, Result};
use crate::manifest::{LongText, Task};
use crate::once::{Kept, Recipe, embed_once};
use crate::remote::Place;
use crate::text::{TextModel, Tokens, Workspace};
use crate::vector;
use crate::vision::{self, ImageModel};

/// Tokens of a run where nothing else is said: enough for products of matrices to be efficient,
/// few enough for the rows to stay in the cache between layers.
const RUN_TOKENS: usize = 512;

/// The fewest tokens for which it is worth handing a run to another core.
const LEAST_RUN_TOKENS: usize = 32;

/// The threads on which all models of the process run. Runs are single-threaded: cores take whole
/// ones rather than sharing each product.
static WORKERS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    ThreadPoolBuilder::new().thread_name(|index| format!("embed-{index}")).build().ok()
});

/// Runs something on the models' threads, or here if there are none to be had.
pub fn on_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match WORKERS.as_ref() {
        Some(workers) => workers.install(work),
        None => work(),
    }
}

/// What texts are embedded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextRequest {
    /// What for.
    pub task: Task,
    /// Length of the vectors.
    pub dims: usize,
    /// What becomes of long texts.
    pub long: LongText,
}

/// Who watches the work, and may stop it.
pub trait Watch: Sync {
    /// Whether nobody waits for the result any more.
    fn stopped(&self) -> bool;
    /// Where rows of this statement run, if it was not decided yet by those before them.
    fn place(&self, decided: Place, rows: usize) -> Place;
    /// Rows whose vectors were in the cache.
    fn cached(&self, rows: u64);
    /// Texts or images that went through the model, and their tokens.
    fn ran(&self, inputs: u64, tokens: u64);
    /// Something that whoever wants the result should know, once.
    fn tell(&self, sentence: &str);
}

/// Nobody.
pub struct Unwatched;

impl Watch for Unwatched {
    fn stopped(&self) -> bool {
        false
    }

    fn place(&self, decided: Place, _: usize) -> Place {
        decided
    }

    fn cached(&self, _: u64) {}

    fn ran(&self, _: u64, _: u64) {}

    fn tell(&self, _: &str) {}
}

/// How the work is done, whatever the texts.
pub struct Conditions<'a> {
    /// Tokens of a run, where they are prescribed.
    pub run_tokens: Option<usize>,
    /// The cache, if one is used.
    pub kept: Option<Kept<'a>>,
    /// Who watches.
    pub watch: &'a dyn Watch,
}

/// A text model and what running it takes. All partitions of all queries share one.
pub struct TextEmbedder {
    network: Network,
    fingerprint: String,
    spaces: Mutex<Vec<Spaces>>,
}

/// What makes vectors of tokens.
enum Network {
    Model(Box<TextModel>),
    /// The half of an image model that takes texts.
    Tower(Box<dyn ImageModel>),
}

/// Buffers of a run.
#[derive(Default)]
struct Spaces {
    model: Workspace,
    tower: vision::Workspace,
}

/// One sequence of a slice's texts.
struct Sequence {
    text: usize,
    tokens: Vec<u32>,
}

impl TextEmbedder {
    /// From a model, and what tells its vectors from another's.
    pub fn new(model: TextModel, fingerprint: String) -> Self {
        Self { network: Network::Model(Box::new(model)), fingerprint, spaces: Mutex::default() }
    }

    /// From an image model that takes texts too.
    pub fn of_tower(model: Box<dyn ImageModel>, fingerprint: String) -> Result<Self> {
        if model.text().is_none() {
            return Err(Error::Argument(format!("model '{fingerprint}' takes no texts")));
        }
        Ok(Self { network: Network::Tower(model), fingerprint, spaces: Mutex::default() })
    }

    /// Its tokenizer.
    pub fn tokens(&self) -> Result<&Tokens> {
        match &self.network {
            Network::Model(model) => Ok(model.tokens()),
            Network::Tower(_) => Err(Error::Argument(format!(
                "the tokens of {} cannot be counted; name a text model",
                self.fingerprint
            ))),
        }
    }

    /// Length of its whole vectors.
    pub fn dims(&self) -> usize {
        match &self.network {
            Network::Model(model) => model.dims(),
            Network::Tower(model) => model.dims(),
        }
    }

    /// What is put before a text.
    fn prefix(&self, task: Task) -> &str {
        match &self.network {
            Network::Model(model) => model.recipe().prefixes.of(task),
            Network::Tower(_) => "",
        }
    }

    /// The sequences of a text, whose vectors make the text's.
    fn sequences(&self, text: &str, request: TextRequest) -> Result<Vec<Vec<u32>>> {
        match &self.network {
            Network::Model(model) => model.sequences(text, request.task, request.long),
            Network::Tower(model) => match model.text() {
                Some(tower) => Ok(vec![tower.tokens(text)?]),
                None => Ok(Vec::new()),
            },
        }
    }

    /// What tells its vectors from another model's.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The vectors of some texts, in their order. The work stops soon after the watch says so.
    pub fn embed(
        &self,
        texts: &[&str],
        request: TextRequest,
        conditions: &Conditions<'_>,
    ) -> Result<Embedded> {
        let TextRequest { dims, .. } = request;
        if dims == 0 || dims > self.dims() {
            return Err(Error::Argument(format!(
                "vectors of {} have 1 to {} dimensions, not {dims}",
                self.fingerprint,
                self.dims()
            )));
        }
        let inputs: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        let recipe = Recipe {
            fingerprint: &self.fingerprint,
            parts: [self.prefix(request.task), request.long.name()],
            dims,
        };
        embed_once(&inputs, &recipe, conditions.kept, conditions.watch, |places| {
            let texts: Vec<&str> = places.iter().map(|&place| texts[place]).collect();
            self.run_all(&texts, request, conditions)
        })
    }

    /// Embeds every text, whether or not it was embedded before.
    fn run_all(
        &self,
        texts: &[&str],
        request: TextRequest,
        conditions: &Conditions<'_>,
    ) -> Result<Embedded> {
        let dims = request.dims;
        let watch = conditions.watch;
        let tokenised: Vec<Result<Vec<Vec<u32>>>> = on_workers(|| {
            texts
                .par_iter()
                .with_min_len(16)
                .map(|text| {
                    if watch.stopped() {
                        return Err(Error::Stopped);
                    }
                    self.sequences(text, request)
                })
                .collect()
        });
        let mut embedded =
            Embedded { dims, values: vec![0.0; texts.len() * dims], ..Embedded::default() };
        let mut sequences = Vec::with_capacity(texts.len());
        for (text, result) in tokenised.into_iter().enumerate() {
            match result {
                Ok(windows) => {
                    sequences.extend(windows.into_iter().map(|tokens| Sequence { text, tokens }));
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => embedded.failures.push((text, error)),
            }
        }
        // The longest first, so that the last runs are short and the cores finish together.
        sequences.sort_by_key(|sequence| std::cmp::Reverse(sequence.tokens.len()));
        let total: usize = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        let (runs, results) = match self.device_runs(&sequences, conditions.run_tokens) {
            // One after the other: a device does not share itself.
            Some(runs) => {
                let results = runs.iter().map(|run| self.run(run, dims, watch));
                let results = results.collect::<Result<Vec<_>>>()?;
                (runs, results)
            }
            None => {
                let runs = runs(&sequences, run_tokens(total, conditions.run_tokens));
                let results = on_workers(|| {
                    let results = runs.par_iter().map(|run| self.run(run, dims, watch));
                    results.collect::<Result<Vec<_>>>()
                })?;
                (runs, results)
            }
        };
        for (run, result) in runs.iter().zip(&results) {
            for (sequence, vector) in run.iter().zip(result.chunks_exact(dims)) {
                let sum = &mut embedded.values[sequence.text * dims..][..dims];
                for (x, y) in sum.iter_mut().zip(vector) {
                    *x += y;
                }
            }
        }
        if request.long == LongText::Mean {
            for vector in embedded.values.chunks_exact_mut(dims) {
                vector::l2(vector);
            }
        }
        embedded.tokens = Some(total as u64);
        Ok(embedded)
    }

    /// Whether its network runs on a device.
    pub fn is_on_device(&self) -> bool {
        self.device_run(&[], None).is_some()
    }

    fn device_run(&self, sequences: &[Sequence], tokens: Option<usize>) -> Option<usize> {
        let Network::Model(model) = &self.network else { return None };
        model.device_run(sequences.iter().map(|sequence| sequence.tokens.len()), tokens)
    }

    /// Sequences in the runs of its device, if it runs on one.
    fn device_runs<'a>(
        &self,
        mut sequences: &'a [Sequence],
        tokens: Option<usize>,
    ) -> Option<Vec<&'a [Sequence]>> {
        let mut runs = Vec::new();
        while let Some(first) = self.device_run(sequences, tokens) {
            if sequences.is_empty() {
                return Some(runs);
            }
            let (run, rest) = sequences.split_at(first.min(sequences.len()));
            runs.push(run);
            sequences = rest;
        }
        None
    }

    fn run(&self, run: &[Sequence], dims: usize, watch: &dyn Watch) -> Result<Vec<f32>> {
        let mut spaces = self.spaces.lock().pop().unwrap_or_default();
        let sequences: Vec<&[u32]> = run.iter().map(|sequence| &sequence.tokens[..]).collect();
        let tokens: usize = sequences.iter().map(|tokens| tokens.len()).sum();
        let mut vectors = Vec::with_capacity(run.len() * dims);
        let stopped = || watch.stopped();
        match &self.network {
            Network::Model(model) => {
                model.run(&sequences, dims, &mut spaces.model, &mut vectors, &stopped)?;
                spaces.model.shrink(2 * RUN_TOKENS, model.dims());
            }
            Network::Tower(model) => {
                if let Some(tower) = model.text() {
                    tower.run(&sequences, &mut spaces.tower, &mut vectors, &stopped)?;
                }
                vectors = vector::cut(vectors, self.dims(), dims);
            }
        }
        self.spaces.lock().push(spaces);
        watch.ran(run.len() as u64, tokens as u64);
        Ok(vectors)
    }
}

/// Tokens of a run, so that little work is shared too.
fn run_tokens(total: usize, prescribed: Option<usize>) -> usize {
    if let Some(tokens) = prescribed {
        return tokens.max(1);
    }
    let workers = WORKERS.as_ref().map_or(1, ThreadPool::current_num_threads);
    RUN_TOKENS.min(total.div_ceil(workers)).max(LEAST_RUN_TOKENS)
}

/// Sequences in runs of about that many tokens, and one sequence at least.
fn runs(sequences: &[Sequence], tokens: usize) -> Vec<&[Sequence]> {
    let mut runs = Vec::new();
    let (mut first, mut sum) = (0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        if index > first && sum + sequence.tokens.len() > tokens {
            runs.push(&sequences[first..index]);
            (first, sum) = (index, 0);
        }
        sum += sequence.tokens.len();
    }
    if first < sequences.len() {
        runs.push(&sequences[first..]);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_to_their_budget_and_leave_nothing_out() {
        let lengths = [300, 200, 100, 90, 80, 20, 5, 1];
        let sequences: Vec<Sequence> =
            lengths.iter().map(|length| Sequence { text: 0, tokens: vec![0; *length] }).collect();
        for budget in [1, 50, 100, 256, 10_000] {
            let runs = runs(&sequences, budget);
            assert_eq!(runs.iter().map(|run| run.len()).sum::<usize>(), lengths.len());
            for run in runs {
                let tokens: usize = run.iter().map(|sequence| sequence.tokens.len()).sum();
                assert!(tokens <= budget || run.len() == 1);
            }
        }
        assert!(runs(&[], 100).is_empty());
    }

    #[test]
    fn little_work_is_shared_and_much_comes_in_runs() {
        assert_eq!(run_tokens(10, None), LEAST_RUN_TOKENS);
        assert_eq!(run_tokens(1_000_000, None), RUN_TOKENS);
        assert_eq!(run_tokens(1_000_000, Some(64)), 64);
    }
}
