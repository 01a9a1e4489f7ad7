//! Training that nobody waits for any more, and the memory of what is trained.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array};
use arrow::datatypes::{DataType, Field};
use datafusion_common::Result;

use super::{Method, Training, train};
use crate::work::{Memory, Work, tests::stop_at};

/// Rows that look as if they came by chance, and a label of each.
fn rows(count: usize, width: usize, classes: usize) -> (ArrayRef, ArrayRef) {
    let mut state = 1u64;
    let number = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    });
    let values: Float32Array = number.take(count * width).map(Some).collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let rows = FixedSizeListArray::new(item, width as i32, Arc::new(values), None);
    let labels = Int64Array::from_iter_values((0..count).map(|row| (row % classes) as i64));
    (Arc::new(rows), Arc::new(labels))
}

/// Long enough to be stopped in the middle.
fn methods() -> [Training; 2] {
    let logistic = Training { steps: 100_000, c: 1e9, ..Training::default() };
    [logistic, Training { method: Method::Knn, ..Training::default() }]
}

#[test]
fn it_stops_soon_wherever_it_is() {
    let (vectors, labels) = rows(20_000, 64, 10);
    for training in methods() {
        let mut stopped = 0;
        // Regression goes on for minutes: its first stages are enough.
        for nth in 1..=3 {
            let work = Work::default();
            let (done, since) = stop_at(&work, nth, || {
                train(["v", "label"], std::slice::from_ref(&vectors), &labels, &training, &work)
                    .map(|_| ())
            });
            let Some(since) = since else { break };
            let error = done.unwrap_err().to_string();
            assert!(error.contains("CREATE CLASSIFIER was stopped"), "{error}");
            assert!(since < Duration::from_secs(2), "{:?}: {since:?}", training.method);
            stopped += 1;
        }
        assert!(stopped > 0, "{:?} was done before it could be stopped", training.method);
    }
    let work = Work::default();
    work.stop();
    let began = Instant::now();
    let error =
        train(["v", "label"], std::slice::from_ref(&vectors), &labels, &methods()[0], &work)
            .unwrap_err();
    assert!(error.to_string().contains("was stopped"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// How much is held at once, and was at most.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Bytes(Arc<Held>, usize);

impl Drop for Bytes {
    fn drop(&mut self) {
        self.0.now.fetch_sub(self.1, Ordering::Relaxed);
    }
}

struct Counted(Arc<Held>, usize);

impl Memory for Counted {
    fn reserve(&self, whom: &str, bytes: usize) -> Result<Box<dyn Any + Send>> {
        let now = self.0.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let held = Bytes(self.0.clone(), bytes);
        if now > self.1 {
            return datafusion_common::exec_err!("{whom} wants {bytes}");
        }
        self.0.most.fetch_max(now, Ordering::Relaxed);
        Ok(Box::new(held))
    }
}

#[test]
fn its_memory_is_counted_as_long_as_it_is_held() {
    let (count, width, classes) = (2000, 16, 40);
    let (vectors, labels) = rows(count, width, classes);
    for training in methods().map(|training| Training { steps: 3, ..training }) {
        let limited = |most: usize| {
            let held = Arc::new(Held::default());
            let work = Work::default();
            work.count_memory(Arc::new(Counted(held.clone(), most)));
            let done =
                train(["v", "label"], std::slice::from_ref(&vectors), &labels, &training, &work);
            (done.map(|_| ()), held)
        };
        let (done, held) = limited(usize::MAX);
        done.unwrap();
        // The rows, as they came and in order, and while these are there what is said of each class.
        let most = held.most.load(Ordering::Relaxed);
        assert!(most >= count * (width * 8 + classes * 4), "{most}");
        assert!(most < count * (width * 16 + classes * 8) + (4 << 20), "{most}");
        assert_eq!(held.now.load(Ordering::Relaxed), 0);
        // With less there is an error, before the memory is taken.
        let (done, held) = limited(most - 1);
        let error = done.unwrap_err().to_string();
        assert!(error.contains("CREATE CLASSIFIER wants"), "{error}");
        assert_eq!(held.now.load(Ordering::Relaxed), 0);
    }
}
