//! A folder of files and a database to read them with.

use portolan::Database;

use super::{error, rows};

pub struct Folder {
    folder: tempfile::TempDir,
    db: Database,
}

impl Folder {
    pub async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), db: Database::in_memory().await.unwrap() }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs a statement in which `@` stands for the folder, slash included.
    pub async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.db, &sql.replace('@', &self.path(""))).await
    }

    pub async fn error(&self, sql: &str) -> String {
        error(&self.db, &sql.replace('@', &self.path(""))).await
    }
}
