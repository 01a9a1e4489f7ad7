//! Files on Azure.

use std::process::Command;

use portolan::Database;

use super::rows;
use super::servers::{self, Server};

/// The account that every emulator has; its key is public.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Containers are made by a signed request, which Node can sign without packages.
const MAKE_CONTAINER: &str = r#"
const [port, account, key, container] = process.argv.slice(1);
const date = new Date().toUTCString(), version = '2021-08-06';
const headers = `x-ms-date:${date}\nx-ms-version:${version}\n`;
const text = `PUT${'\n'.repeat(12)}${headers}/${account}/${account}/${container}\nrestype:container`;
const signature = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
fetch(`http://127.0.0.1:${port}/${account}/${container}?restype=container`, {
  method: 'PUT',
  headers: { 'x-ms-date': date, 'x-ms-version': version, authorization: `SharedKey ${account}:${signature}` },
}).then(async (r) => { if (r.status != 201) { console.error(r.status, await r.text()); process.exit(1); } });
"#;

fn make_container(server: &Server, container: &str) {
    let output = Command::new("node")
        .args(["-e", MAKE_CONTAINER, "--", &server.port.to_string(), ACCOUNT, KEY, container])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn parquet_in_place_with_patterns_and_partitions() {
    let Some(server) = servers::azurite() else { return };
    make_container(&server, "ports");
    let db = Database::in_memory().await.unwrap();
    let connection = format!(
        "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};\
         BlobEndpoint=http://127.0.0.1:{}/{ACCOUNT};",
        server.port
    );
    rows(&db, &format!("CREATE SECRET (TYPE azure, CONNECTION_STRING '{connection}')")).await;
    for (day, port) in [(1, "Genoa"), (2, "Lisbon")] {
        let copy =
            format!("COPY (SELECT '{port}' AS port) TO 'az://ports/log/day={day}/x.parquet'");
        assert_eq!(rows(&db, &copy).await, ["1"]);
    }
    assert_eq!(
        rows(&db, "SELECT port, day FROM 'az://ports/log/day=*/*.parquet' ORDER BY day").await,
        ["Genoa|1", "Lisbon|2"]
    );
    assert_eq!(
        rows(&db, "SELECT port FROM 'azure://ports/**/x.parquet' WHERE day = 2").await,
        ["Lisbon"]
    );
    assert_eq!(
        rows(&db, "SELECT path FROM read_text('az://ports/log/*/*') LIMIT 1").await,
        ["az://ports/log/day=1/x.parquet"]
    );
}

#[tokio::test]
async fn without_an_account_the_remedy_is_named() {
    if std::env::var_os("AZURE_STORAGE_ACCOUNT_NAME").is_some() {
        return;
    }
    let db = Database::in_memory().await.unwrap();
    let error = super::error(&db, "SELECT * FROM 'az://ports/x.parquet'").await;
    assert!(error.contains("CREATE SECRET (TYPE azure"), "{error}");
}
