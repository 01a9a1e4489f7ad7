//! What a vector column knows of the model that made it, in its field's metadata.

use std::collections::HashMap;

use arrow::datatypes::Field;
use datafusion_common::{Result, plan_err};
use portolan_models::Task;
use serde::{Deserialize, Serialize};

use crate::shortened::shortened;

/// The key in a field's metadata.
const KEY: &str = "portolan:embedding";

/// What made the vectors of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The model.
    pub model: String,
    /// Its weights, where they are known: those of a server are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The space that the vectors share with those of other models, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Counts the changes of how vectors are made of the same weights.
    pub recipe: u32,
    /// What texts were embedded for; none for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Length of the vectors.
    pub dims: usize,
}

impl Fingerprint {
    /// That of a column, if it has one that can be read.
    pub fn of(field: &Field) -> Option<Self> {
        serde_json::from_str(field.metadata().get(KEY)?).ok()
    }

    /// As metadata of a field.
    pub fn metadata(&self) -> HashMap<String, String> {
        let json = serde_json::to_string(self).unwrap_or_default();
        HashMap::from([(KEY.to_string(), json)])
    }

    /// The field with this as its fingerprint.
    pub fn mark(&self, field: Field) -> Field {
        let mut metadata = field.metadata().clone();
        metadata.extend(self.metadata());
        field.with_metadata(metadata)
    }

    /// Model, weights and task, as DESCRIBE shows them.
    pub fn in_full(&self) -> String {
        match self.task {
            Some(task) => format!("{self} {}", task.name()),
            None => self.to_string(),
        }
    }

    /// The field `to` with the fingerprint of `from`, if that has one.
    pub fn carry(from: &Field, to: Field) -> Field {
        match Self::of(from) {
            Some(fingerprint) => fingerprint.mark(to),
            None => to,
        }
    }

    /// That of a column with vectors of both, which agree: what they have in common.
    pub fn together_with(self, other: &Self) -> Self {
        let task = self.task.filter(|task| other.task == Some(*task));
        Self { task, revision: self.revision.or_else(|| other.revision.clone()), ..self }
    }

    /// Whether vectors of both lie in one space. Tasks may differ: queries are compared with
    /// documents.
    pub fn agrees_with(&self, other: &Self) -> bool {
        if self.model != other.model && self.space.is_some() && self.space == other.space {
            return self.recipe == other.recipe;
        }
        let same_weights = match (&self.revision, &other.revision) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.model == other.model && same_weights && self.recipe == other.recipe
    }

    /// An error that names both where the vectors of two fields do not lie in one space. Fields
    /// without a fingerprint are taken at their word.
    pub fn check(one: &Field, other: &Field) -> Result<()> {
        let (Some(first), Some(second)) = (Self::of(one), Self::of(other)) else { return Ok(()) };
        if first.agrees_with(&second) {
            return Ok(());
        }
        plan_err!(
            "'{}' holds vectors of {first}, '{}' of {second}; vectors of two models cannot meet: embed both with one model",
            shortened(one.name()),
            shortened(other.name())
        )
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.model)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        if self.recipe != 1 {
            write!(f, " recipe {}", self.recipe)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    fn print(model: &str, revision: Option<&str>, task: Task) -> Fingerprint {
        let revision = revision.map(str::to_string);
        let model = model.to_string();
        Fingerprint { model, revision, space: None, recipe: 1, task: Some(task), dims: 4 }
    }

    fn field(name: &str, print: &Fingerprint) -> Field {
        print.mark(Field::new(name, DataType::Null, true))
    }

    #[test]
    fn it_lasts_in_a_field() {
        let made = print("m", Some("abc"), Task::Clustering);
        assert_eq!(Fingerprint::of(&field("v", &made)), Some(made));
        assert_eq!(Fingerprint::of(&Field::new("v", DataType::Null, true)), None);
    }

    #[test]
    fn two_models_do_not_meet_and_two_tasks_do() {
        let document = field("a", &print("m", Some("abc"), Task::SearchDocument));
        let query = field("b", &print("m", Some("abc"), Task::SearchQuery));
        let served = field("c", &print("m", None, Task::SearchQuery));
        let newer = field("d", &print("m", Some("abd"), Task::SearchQuery));
        let other = field("e", &print("n", Some("abc"), Task::SearchQuery));
        Fingerprint::check(&document, &query).unwrap();
        Fingerprint::check(&document, &served).unwrap();
        let mut image = print("o", None, Task::SearchQuery);
        image.space = Some("shared".to_string());
        let text = Fingerprint { model: "p".to_string(), ..image.clone() };
        Fingerprint::check(&field("f", &image), &field("g", &text)).unwrap();
        for wrong in [newer, other] {
            let error = Fingerprint::check(&document, &wrong).unwrap_err().to_string();
            assert!(error.contains("'a' holds vectors of m@abc"), "{error}");
        }
    }
}
