//! all-MiniLM-L6-v2 with its own weights, against sentence-transformers.

use portolan_models::{Error, Options, Registry};

use crate::fixture::{self, Model};
use crate::skipped::skip;

#[tokio::test]
async fn all_minilm_l6_v2() {
    let registry = Registry::new(Options::default());
    let located = match registry.pull("all-MiniLM-L6-v2", &|_, _, _| {}).await {
        Ok(located) => located,
        Err(error @ (Error::Fetch { .. } | Error::NotHere { .. })) => {
            return skip(&error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    let recipe = located.manifest.text.unwrap();
    let models = Model::open("all-MiniLM-L6-v2", &located.folder, &recipe);
    let texts: Vec<String> = fixture::json("minilm/texts.json");
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    for expected in fixture::expected("minilm") {
        for model in &models {
            model.check(&texts, &expected);
            model.check_apart(&texts, &expected);
        }
    }
}
