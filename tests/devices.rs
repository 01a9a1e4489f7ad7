//! Where models run.

use portolan::Database;

use crate::models;
use crate::skipped::skip;

/// What a build cannot use is refused in a sentence, and nothing else runs in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_build_lacks_is_refused() {
    if let Err(reason) = models::fetched() {
        return skip(&format!("models on a device: {reason}"));
    }
    let devices = [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))];
    for (device, _) in devices.iter().filter(|(_, built)| !built) {
        let db = Database::in_memory().await.unwrap();
        db.sql(&format!("SET portolan.device = '{device}'")).await.unwrap();
        db.sql("SET portolan.image_model = 'imagenet-conse'").await.unwrap();
        for call in ["embed_text('a', model => 'all-MiniLM-L6-v2')", "embed_image(X'00')"] {
            let said = match db.sql(&format!("SELECT {call}")).await {
                Ok(rows) => rows.collect().await.map(|_| ()),
                Err(error) => Err(error),
            };
            let expected = format!(
                "portolan.device is '{device}', which this build cannot use; build it with --features {device}, or SET portolan.device = 'cpu'"
            );
            assert_eq!(said.expect_err(call).to_string(), expected);
        }
    }
}
