//! The page about all functions, from what each says of itself.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use datafusion_expr::Documentation;
use portolan_models::{Environment, Models};

use crate::classifier::{Classifiers, NoClassifiers};
use crate::map::{Maps, NoMaps};
use crate::{Files, LocalFiles, aggregate_functions, scalar_functions, window_functions};

/// `docs/functions.md`.
pub fn markdown() -> String {
    let mut sections: BTreeMap<String, Vec<Documentation>> = BTreeMap::new();
    for documentation in all().into_iter().filter_map(|(_, documentation)| documentation) {
        let section = documentation.doc_section.label.to_string();
        sections.entry(section).or_default().push(documentation);
    }
    let mut page = String::from(
        "# Functions\n\n\
         Portolan's own, beside all of DataFusion's. This page is made from the code; the test\n\
         `reference::tests::the_page_is_up_to_date` says how.\n\n\
         Arguments can be given by name, `embed_text(body, dims => 256)`; those that are left out have\n\
         their defaults.\n",
    );
    for (section, functions) in sections {
        let _ = write!(page, "\n## {section}\n");
        for documentation in functions {
            let _ = write!(
                page,
                "\n### `{}`\n\n{}\n",
                documentation.syntax_example, documentation.description
            );
            if let Some(arguments) = &documentation.arguments {
                page.push('\n');
                for (name, text) in arguments {
                    let _ = writeln!(page, "- `{name}`: {text}");
                }
            }
            if let Some(example) = &documentation.sql_example {
                let _ = write!(page, "\n{}\n", example.trim());
            }
        }
    }
    page
}

/// Every function's name, and what it says of itself.
fn all() -> Vec<(String, Option<Documentation>)> {
    let files: Arc<dyn Files> = Arc::new(LocalFiles);
    let models = Models::new(Environment::read(|_| None), None);
    let classifiers: Arc<dyn Classifiers> = Arc::new(NoClassifiers);
    let maps: Arc<dyn Maps> = Arc::new(NoMaps);
    let scalar = scalar_functions(&models, &files, &classifiers, &maps);
    let (window, aggregate) = (window_functions(), aggregate_functions());
    let scalar = scalar.iter().map(|function| (function.name(), function.documentation()));
    let window = window.iter().map(|function| (function.name(), function.documentation()));
    let aggregate = aggregate.iter().map(|function| (function.name(), function.documentation()));
    let all = scalar.chain(window).chain(aggregate);
    all.map(|(name, documentation)| (name.to_string(), documentation.cloned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PORTOLAN_WRITE_DOCS=1 cargo test -p portolan-udfs` writes the page anew.
    #[test]
    fn the_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/functions.md");
        if std::env::var_os("PORTOLAN_WRITE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "docs/functions.md is out of date; PORTOLAN_WRITE_DOCS=1 cargo test -p portolan-udfs writes it"
        );
    }

    #[test]
    fn every_function_says_what_it_is() {
        for (name, documentation) in all() {
            let documentation = documentation.unwrap_or_else(|| panic!("{name}"));
            assert!(documentation.sql_example.is_some(), "{name}");
        }
    }
}
