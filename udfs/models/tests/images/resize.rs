//! Pictures are made another size as Pillow does it, and arranged as networks take them.

use portolan_models::image::{Fit, Layout, Picture, Preprocessing};
use serde::Deserialize;

use crate::{noise, oracle};

#[derive(Deserialize)]
struct Index {
    resized: Vec<Resized>,
}

#[derive(Deserialize, Debug)]
struct Resized {
    source: String,
    from: [usize; 2],
    way: String,
    width: usize,
    at: usize,
}

/// Numbers that are the pixels' levels.
fn levels(size: usize, fit: Fit) -> Preprocessing {
    Preprocessing { size, fit, mean: [0.0; 3], std: [1.0 / 255.0; 3], layout: Layout::Pixels }
}

fn picture(width: usize, height: usize, bytes: &[u8]) -> Picture {
    Picture::new(width, height, bytes.as_chunks().0.to_vec()).unwrap()
}

#[test]
fn pixels_are_what_pillow_makes_of_them() {
    let index = std::fs::read(oracle().join("images/index.json")).unwrap();
    let expected = std::fs::read(oracle().join("images/expected.bin")).unwrap();
    for case in serde_json::from_slice::<Index>(&index).unwrap().resized {
        let ([width, height], size) = (case.from, case.width);
        let mut bytes = noise(0, width * height * 3);
        if case.source == "edges" {
            bytes.iter_mut().for_each(|byte| *byte = if *byte < 128 { 0 } else { 255 });
        }
        let fit = match case.way.as_str() {
            "squash" => Fit::Squash,
            "shortest" => Fit::ShortestEdge(size),
            _ => Fit::Centre(size as f64 / (size + 32) as f64),
        };
        let input = levels(size, fit).apply(&picture(width, height, &bytes)).unwrap();
        assert_eq!(input.values().len(), size * size * 3);
        let mut differ = 0;
        for (&got, &right) in input.values().iter().zip(&expected[case.at..]) {
            let difference = (got - f32::from(right)).abs();
            assert!(difference < 1.01, "{case:?}: {got} {right}");
            differ += usize::from(difference > 0.5);
        }
        assert!(differ * 100 < input.values().len(), "{case:?}: {differ} differ");
    }
}

#[test]
fn numbers_lie_in_the_order_that_is_wanted() {
    // Four pixels a side, two patches a side.
    let bytes: Vec<u8> = (0..48).collect();
    let picture = picture(4, 4, &bytes);
    let pixels = levels(4, Fit::Squash).apply(&picture).unwrap();
    let right: Vec<f32> = (0..48).map(|level| level as f32).collect();
    let near =
        |got: &[f32], right: &[f32]| got.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(near(pixels.values(), &right));
    let patches = Preprocessing { layout: Layout::Patches(2), ..levels(4, Fit::Squash) };
    let patches = patches.apply(&picture).unwrap();
    // The second patch: two columns from the third on, red first.
    assert!(near(&patches.values()[12..18], &[6.0, 9.0, 18.0, 21.0, 7.0, 10.0]));
    // The third: the third row's.
    assert!(near(&patches.values()[24..28], &[24.0, 27.0, 36.0, 39.0]));
}

#[test]
fn colours_have_means_and_deviations_of_their_own() {
    let preprocessing = Preprocessing {
        size: 1,
        fit: Fit::Squash,
        mean: [0.5, 0.25, 0.0],
        std: [0.5, 0.25, 2.0],
        layout: Layout::Pixels,
    };
    let input = preprocessing.apply(&picture(1, 1, &[255, 0, 255])).unwrap();
    assert_eq!(input.values(), [1.0, -1.0, 0.5]);
}

#[test]
fn the_longest_strip_becomes_a_square() {
    let bytes = noise(0, 60_000 * 3);
    for fit in [Fit::Squash, Fit::ShortestEdge(224), Fit::Centre(0.875)] {
        for (width, height) in [(60_000, 1), (1, 60_000)] {
            let input = levels(224, fit).apply(&picture(width, height, &bytes)).unwrap();
            assert_eq!(input.values().len(), 224 * 224 * 3);
        }
    }
}
