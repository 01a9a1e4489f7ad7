//! Principal components, against NumPy, and their promises.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "oracle/npy.rs"]
mod npy;

use portolan_kernels::Error;
use portolan_kernels::pca::{Options, Pca};
use portolan_kernels::random;
use portolan_kernels::rows::Rows;
use portolan_kernels::watch::Unwatched;

fn fit(values: &[f32], width: usize, components: usize) -> Pca {
    let options = Options { components, ..Options::default() };
    Pca::fit(Rows::new(values, width).unwrap(), &options, &Unwatched).unwrap()
}

fn noise(count: usize) -> Vec<f32> {
    (0..count as u64).map(|i| random::signed(6, 0, i)).collect()
}

#[test]
fn it_is_what_numpy_says() {
    let (values, width) = npy::read("pca/rows.npy");
    let pca = fit(&values, width, 5);
    let said = include_str!("oracle/fixtures/pca/said.txt");
    assert_eq!(said.lines().count(), 5);
    for (i, line) in said.lines().enumerate() {
        let right: Vec<f64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        assert!(
            (pca.variances[i] / right[0] - 1.0).abs() < 1e-5,
            "{} {}",
            pca.variances[i],
            right[0]
        );
        assert!((pca.shares[i] / right[1] - 1.0).abs() < 1e-5);
        for (got, right) in pca.components[i * width..].iter().zip(&right[2..]) {
            assert!((f64::from(*got) - right).abs() < 2e-4, "{i}: {got} {right}");
        }
    }
    let rows = Rows::new(&values, width).unwrap();
    let places = pca.place(rows, &Unwatched).unwrap();
    for (i, place) in places.chunks_exact(5).enumerate() {
        for (j, &got) in place.iter().enumerate() {
            let component = &pca.components[j * width..(j + 1) * width];
            let off = rows.row(i).iter().zip(&pca.mean).map(|(x, mean)| f64::from(x - mean));
            let right: f64 = off.zip(component).map(|(x, &c)| x * f64::from(c)).sum();
            assert!((f64::from(got) - right).abs() < 1e-5, "{got} {right}");
        }
    }
}

#[test]
fn neither_threads_nor_the_order_of_rows_change_a_bit() {
    let (count, width) = (9000, 21);
    let values = noise(count * width);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| random::number(5, 0, i as u64));
    let turned: Vec<f32> =
        order.iter().flat_map(|&i| values[i * width..(i + 1) * width].to_vec()).collect();
    let run = |values: &[f32], threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(values, width, 3))
    };
    let one = run(&values, 1);
    assert!(one == run(&values, 3));
    assert!(one == run(&turned, 2));
}

#[test]
fn rows_of_every_shape_have_a_place() {
    for (count, width) in [(0, 5), (1, 3), (2, 4), (3, 1), (50, 1), (50, 2), (5, 4096), (40, 700)] {
        let values = noise(count * width);
        let pca = fit(&values, width, 3);
        assert_eq!((pca.components.len(), pca.variances.len()), (3 * width, 3));
        let rows = Rows::new(&values, width).unwrap();
        let places = pca.place(rows, &Unwatched).unwrap();
        assert_eq!(places.len(), count * 3);
        assert!(places.iter().all(|x| x.is_finite()));
        assert!(pca.variances.iter().chain(&pca.shares).all(|x| x.is_finite() && *x >= 0.0));
        // What is kept is what is there, where there are no more than three directions.
        if count > 1 && (count <= 4 || width <= 3) {
            assert!(
                (pca.shares.iter().sum::<f64>() - 1.0).abs() < 1e-5,
                "{count} {width} {:?}",
                pca.shares
            );
        }
    }
    let same = fit(&[2.5; 40], 4, 2);
    assert_eq!((&same.variances[..], &same.components[..]), (&[0.0; 2][..], &[0.0; 8][..]));
}

#[test]
fn the_largest_and_the_smallest_numbers_vary_too() {
    let values = noise(300 * 6);
    let right = fit(&values, 6, 2);
    for by in [1e30f32, 1e-30] {
        let scaled: Vec<f32> = values.iter().map(|x| x * by).collect();
        let got = fit(&scaled, 6, 2);
        for (a, b) in got.components.iter().zip(&right.components) {
            assert!((a - b).abs() < 1e-3);
        }
        let by = f64::from(by);
        assert!((got.variances[0] / (by * by) / right.variances[0] - 1.0).abs() < 1e-4);
        let places = got.place(Rows::new(&scaled, 6).unwrap(), &Unwatched).unwrap();
        let mean: f64 = places.iter().step_by(2).map(|&x| f64::from(x)).sum::<f64>() / 300.0;
        let squares = places.iter().step_by(2).map(|&x| (f64::from(x) - mean).powi(2));
        assert!((squares.sum::<f64>() / 299.0 / got.variances[0] - 1.0).abs() < 1e-4);
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let rows = Rows::new(&[1.0, f32::NAN, 2.0, 3.0], 2).unwrap();
    let options = Options::default();
    assert_eq!(Pca::fit(rows, &options, &Unwatched), Err(Error::NotFinite { row: 0 }));
    let none = Options { components: 0, ..options };
    assert!(matches!(Pca::fit(rows, &none, &Unwatched), Err(Error::Option(_))));
    let pca = fit(&noise(30), 3, 2);
    let other = Rows::new(&[1.0; 4], 2).unwrap();
    assert!(matches!(pca.place(other, &Unwatched), Err(Error::Shape(_))));
}
