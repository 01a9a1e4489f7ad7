//! Models of every architecture with weights that are made on the spot.

use std::path::{Path, PathBuf};

use portolan_models::LongText;
use tempfile::TempDir;

use crate::fixture::{self, Expected, Model};
use crate::weights;

#[test]
fn the_weights_are_those_that_the_oracle_had() {
    let bits = |name, shape: &[usize]| -> Vec<u32> {
        weights::values(name, shape).into_iter().map(f32::to_bits).collect()
    };
    assert_eq!(bits("norm.weight", &[2]), [1_064_557_800, 1_066_052_203]);
    assert_eq!(bits("norm.bias", &[2]), [1_032_727_445, 1_035_562_578]);
}

#[test]
fn nomic_bert() {
    holds("nomic_tiny", "wordpiece.json");
}

#[test]
fn nomic_bert_of_full_width() {
    holds("nomic_wide", "wordpiece.json");
}

#[test]
fn nomic_bert_beyond_what_it_was_trained_for() {
    holds("nomic_stretched", "wordpiece.json");
}

#[test]
fn bert_with_the_mean_of_tokens() {
    holds("bert_mean", "wordpiece.json");
}

#[test]
fn bert_with_the_first_token() {
    holds("bert_first", "wordpiece.json");
}

#[test]
fn xlm_roberta() {
    holds("xlm_roberta", "unigram.json");
}

#[test]
fn nomic_bert_with_a_mixture_of_experts() {
    holds("nomic_moe", "unigram.json");
}

/// Holds a made model to its fixture, with its configuration as each author writes it.
fn holds(name: &str, tokenizer: &str) {
    let folder = model(name, tokenizer);
    let texts: Vec<String> = fixture::json("texts.json");
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let recipe = fixture::json(&format!("{name}/recipe.json"));
    let expected = fixture::expected(name);
    for (dialect, config) in configs(&fixture::path(name)).iter().enumerate() {
        std::fs::copy(config, folder.path().join("config.json")).unwrap();
        for model in Model::open(&config.to_string_lossy(), folder.path(), &recipe) {
            model.check(&texts, &expected[0]);
            if dialect == 0 {
                model.check_apart(&texts, &expected[0]);
                for expected in &expected[1..] {
                    model.check(&texts, expected);
                }
                check_endless(&model, &texts, &expected);
            }
        }
    }
}

/// What comes after the longest text that a model takes makes no difference, however much it is.
fn check_endless(model: &Model, texts: &[&str], expected: &[Expected]) {
    let (longest, text) = texts.iter().enumerate().max_by_key(|(_, text)| text.len()).unwrap();
    let endless = text.repeat(1_000_000 / text.len() + 1);
    let mut truncated = expected.iter().filter(|it| it.request.long == LongText::Truncate);
    model.check(&[&endless], &truncated.next().unwrap().of(longest));
}

/// A folder with a model's tokenizer and weights.
fn model(name: &str, tokenizer: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(fixture::path(tokenizer), folder.path().join("tokenizer.json")).unwrap();
    weights::write(folder.path(), &fixture::json(&format!("{name}/shapes.json")));
    folder
}

/// The configurations of a fixture.
fn configs(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let configs: Vec<_> = files
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("config"))
        .collect();
    assert!(!configs.is_empty());
    configs
}
