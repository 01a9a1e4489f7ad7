//! A logistic classifier of stored vectors, as `benches/peers/logistic.py` compares it:
//! `cargo bench -p portolan-kernels --bench logistic -- TRAIN.npy LABELS.npy TEST.npy OUT`, or with
//! `folds` for TEST.npy out-of-fold probabilities of the rows themselves.
//!
//! Labels are a column of f32. Prints the seconds of training; the probabilities go to OUT as
//! little-endian numbers.

mod common;

use std::time::Instant;

use portolan_kernels::logistic::{Logistic, Options, out_of_fold};
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|x| x != "--bench").collect();
    let [train, labels, test, out] = words.as_slice() else {
        eprintln!("no rows: TRAIN.npy LABELS.npy TEST.npy OUT");
        return Ok(());
    };
    let (values, width) = common::npy(train)?;
    let rows = Rows::new(&values, width).ok_or("not whole rows")?;
    let labels: Vec<u32> = common::npy(labels)?.0.iter().map(|&x| x as u32).collect();
    let classes = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let options = Options::default();
    let start = Instant::now();
    let chances = if test == "folds" {
        let chances = out_of_fold(rows, &labels, classes, 5, &options, &Unwatched)?;
        println!("seconds {:.3}", start.elapsed().as_secs_f64());
        chances
    } else {
        let model = Logistic::fit(rows, &labels, classes, &options, &Unwatched)?;
        println!("seconds {:.3}", start.elapsed().as_secs_f64());
        let (values, width) = common::npy(test)?;
        let rows = Rows::new(&values, width).ok_or("not whole rows")?;
        model.probabilities(rows, &Unwatched)?
    };
    std::fs::write(out, chances.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}
