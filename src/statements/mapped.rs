//! What becomes of maps when the table changes that they are made of.

use crate::database::Database;
use crate::error::Result;
use crate::maps::Facts;
use crate::statements::maps;
use crate::tables::TableName;

/// The maps of a table.
pub fn maps_of(db: &Database, table: &TableName) -> Vec<String> {
    of(db, table).into_iter().map(|(map, _)| map).collect()
}

fn of(db: &Database, table: &TableName) -> Vec<(String, Facts)> {
    let all = db.catalog().all_bundles().into_iter();
    // Of what a damaged one is nobody knows.
    let known = all.filter_map(|(map, bundle)| Facts::of(&map, &bundle).ok().map(|f| (map, f)));
    known.filter(|(_, facts)| facts.source() == *table).collect()
}

/// The table has another name: its maps are made of that.
pub async fn table_renamed(
    db: &Database,
    from: &TableName,
    to: &TableName,
    text: &str,
) -> Result<()> {
    for (map, facts) in of(db, from) {
        let (schema, table) = (to.schema.clone(), to.table.clone());
        maps::restate(db, &map, &Facts { schema, table, ..facts }, text).await?;
    }
    Ok(())
}

/// A column has another name, and so have what maps know of it.
pub async fn column_renamed(
    db: &Database,
    table: &TableName,
    (old, new): (&str, &str),
    text: &str,
) -> Result<()> {
    for (map, mut facts) in of(db, table) {
        let before = facts.clone();
        let Facts { column, text: texts, label, key, .. } = &mut facts;
        let named = [Some(column), texts.as_mut(), label.as_mut(), key.as_mut()];
        for name in named.into_iter().flatten().filter(|name| *name == old) {
            *name = new.to_string();
        }
        if facts != before {
            maps::restate(db, &map, &facts, text).await?;
        }
    }
    Ok(())
}
