//! CREATE, SHOW and DROP CLASSIFIER.

use std::sync::Arc;

use chrono::Utc;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float32Type, Float64Type};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::sql::sqlparser::ast::Ident;
use portolan_udfs::classifier::{Aim, Facts, Method, Training, Weights, train};
use portolan_udfs::{Fingerprint, Label, Work};

use crate::classifiers::listed;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::memory::Pool;
use crate::result::ResultSet;
use crate::statements::classifier_grammar::{ClassifierStatement, CreateClassifier, MadeFrom};
use crate::statements::names;
use crate::statements::parts::{counted, query};
use crate::watched::Watched;

/// For whom memory is counted.
const STATEMENT: &str = "CREATE CLASSIFIER";
/// What SHOW CLASSIFIERS says of each; `portolan.classifiers` has more.
const SHOWN: &[&str] =
    &["name", "method", "classes", "rows", "accuracy", "f1", "threshold", "model", "created"];

/// Runs one of them.
pub async fn run(db: &Database, statement: &ClassifierStatement) -> Result<ResultSet> {
    match statement {
        ClassifierStatement::Create(create) => create_classifier(db, create).await,
        ClassifierStatement::Show => show(db).await,
        ClassifierStatement::Drop { names, if_exists } => {
            for name in names {
                let name = names::identifier(db, name);
                let store = db.classifiers().store();
                if store.stamp(&name).await?.is_some() {
                    store.remove(&name).await?;
                } else if *if_exists {
                    db.notice(format!("classifier '{name}' does not exist, skipping"));
                } else {
                    return Err(db.classifiers().missing(&name).await);
                }
            }
            Ok(ResultSet::done("DROP CLASSIFIER"))
        }
    }
}

async fn create_classifier(db: &Database, create: &CreateClassifier) -> Result<ResultSet> {
    let done = || Ok(ResultSet::done("CREATE CLASSIFIER"));
    if create.replace && create.if_not_exists {
        return Err(Error::sql(
            "OR REPLACE and IF NOT EXISTS contradict each other; write one of them",
        ));
    }
    let name = names::identifier(db, &create.name);
    names::check_new("classifier", &name)?;
    let taken = |remedy| Error::AlreadyExists { kind: "classifier", name: name.clone(), remedy };
    let store = db.classifiers().store();
    if !create.replace && store.stamp(&name).await?.is_some() {
        if create.if_not_exists {
            db.notice(format!("classifier '{name}' already exists, skipping"));
            return done();
        }
        return Err(taken("CREATE OR REPLACE trains it anew, or give another name"));
    }
    let (mut facts, weights) = match &create.made_from {
        MadeFrom::Texts { texts, threshold } => {
            like_texts(db, texts, *threshold, &create.options).await?
        }
        MadeFrom::Rows { source, columns } => {
            trained(db, source, columns.as_ref(), &create.options).await?
        }
    };
    facts.created = Utc::now().timestamp_micros();
    if !store.write(&name, &facts, &weights, create.replace).await? {
        return Err(taken("another process has just made it; use CREATE OR REPLACE CLASSIFIER"));
    }
    if let Some(held) = &facts.held {
        db.notice(format!(
            "classifier '{name}': accuracy {:.4}, macro F1 {:.4} on {} rows that were held out",
            held.accuracy, held.f1, held.rows
        ));
    }
    done()
}

/// A classifier by the cosine with texts.
async fn like_texts(
    db: &Database,
    texts: &[String],
    threshold: Option<f64>,
    options: &[(String, String)],
) -> Result<(Facts, Weights)> {
    if texts.len() > 1 && threshold.is_some() {
        return Err(Error::Invalid(
            "THRESHOLD is for one text; of several the most similar one is the label".to_string(),
        ));
    }
    let mut arguments = vec![("task", "'search_query'".to_string())];
    for (option, value) in options {
        let quoted = || format!("'{}'", value.replace('\'', "''"));
        match option.as_str() {
            "task" => arguments[0].1 = quoted(),
            "model" => arguments.push(("model", quoted())),
            "dims" => {
                let dims: u32 =
                    value.parse().map_err(|_| wrong(option, value, "a whole number"))?;
                arguments.push(("dims", dims.to_string()));
            }
            other => return Err(unknown(other, "of texts", &["model", "task", "dims"])),
        }
    }
    let arguments: Vec<String> =
        arguments.iter().map(|(name, value)| format!("{name} => {value}")).collect();
    let calls: Vec<String> = (texts.iter())
        .map(|text| format!("embed_text('{}', {})", text.replace('\'', "''"), arguments.join(", ")))
        .collect();
    let rows = query(db, &format!("SELECT {}", calls.join(", "))).await?;
    let mut lines = Vec::new();
    for column in rows.columns() {
        let vectors = column.as_fixed_size_list_opt().filter(|v| v.len() == 1 && v.is_valid(0));
        let Some(vectors) = vectors else {
            return Err(Error::Invalid("a text could not be embedded".to_string()));
        };
        lines.extend_from_slice(vectors.value(0).as_primitive::<Float32Type>().values());
    }
    let single = texts.len() == 1;
    let shown: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
    let facts = Facts {
        method: Method::Text,
        dims: lines.len() / texts.len().max(1),
        classes: if single {
            vec![Label::Truth(false), Label::Truth(true)]
        } else {
            texts.iter().map(|text| Label::Text(text.clone())).collect()
        },
        positive: single.then_some(1),
        threshold,
        unit: true,
        k: None,
        texts: texts.to_vec(),
        rows: None,
        source: format!("TEXT {}", shown.join(", ")),
        fingerprint: rows.schema().fields().first().and_then(|field| Fingerprint::of(field)),
        held: None,
        created: 0,
    };
    Ok((facts, Weights { lines, ..Weights::default() }))
}

/// A classifier that learns from rows.
async fn trained(
    db: &Database,
    source: &str,
    columns: Option<&(Ident, Ident)>,
    options: &[(String, String)],
) -> Result<(Facts, Weights)> {
    let training = training(options)?;
    let wanted = match columns {
        Some((vector, label)) => format!("{vector}, {label}"),
        None => "*".to_string(),
    };
    let text = format!("SELECT {wanted} FROM {source}");
    let held = MemoryConsumer::new(STATEMENT).register(&db.context().runtime_env().memory_pool);
    let rows = counted(db, &text, &held, STATEMENT).await?;
    let schema = rows.schema();
    let [vector, label] = schema.fields().as_ref() else {
        return Err(Error::sql(format!(
            "a classifier learns from 2 columns, a vector and a label, and the query has {}; name them: ON (…) (vector, label)",
            schema.fields().len()
        )));
    };
    let work = Work::default();
    work.count_memory(Arc::new(Pool::of(&db.context().state())));
    // Dropped with this statement, it stops the work.
    let watched = Watched::new(db, &work);
    let names = [vector.name().clone(), label.name().clone()];
    let trained = tokio::task::spawn_blocking(move || {
        let names = [names[0].as_str(), names[1].as_str()];
        train(names, &rows.of(0), &rows.column(1)?, &training, &work)
    });
    let done = trained.await;
    drop((watched, held));
    let (mut facts, weights) = match done {
        Ok(done) => done?,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    facts.source = format!("{source} ({}, {})", vector.name(), label.name());
    facts.fingerprint = Fingerprint::of(vector);
    Ok((facts, weights))
}

fn training(options: &[(String, String)]) -> Result<Training> {
    let mut training = Training::default();
    let known = |method| match method {
        Method::Knn => &["method", "k", "folds", "positive", "precision", "threshold"][..],
        _ => &[
            "method",
            "c",
            "balanced",
            "normalize",
            "steps",
            "folds",
            "positive",
            "precision",
            "threshold",
        ],
    };
    if let Some((_, name)) = options.iter().find(|(option, _)| option == "method") {
        training.method = match name.to_ascii_lowercase().as_str() {
            "logistic" => Method::Logistic,
            "knn" => Method::Knn,
            _ => return Err(wrong("method", name, "'logistic' or 'knn'")),
        };
    }
    let both = |one: &str, other: &str| {
        let given = |name| options.iter().any(|(option, _)| option == name);
        given(one) && given(other)
    };
    if both("precision", "threshold") {
        return Err(Error::Invalid(
            "options precision and threshold both say where the threshold is; give one of them"
                .to_string(),
        ));
    }
    for (option, value) in options {
        let whole = |from: usize, to: usize| {
            let number = value.parse().ok().filter(|number| (from..=to).contains(number));
            number
                .ok_or_else(|| wrong(option, value, &format!("a whole number from {from} to {to}")))
        };
        let number = |fits: fn(f64) -> bool, wanted: &str| {
            let number =
                value.parse().ok().filter(|number: &f64| number.is_finite() && fits(*number));
            number.ok_or_else(|| wrong(option, value, wanted))
        };
        let flag = || match value.to_ascii_lowercase().as_str() {
            "true" | "on" => Ok(true),
            "false" | "off" => Ok(false),
            _ => Err(wrong(option, value, "true or false")),
        };
        let name = option.as_str();
        if !known(training.method).contains(&name) {
            let kind = format!("with method '{}'", training.method.name());
            return Err(unknown(name, &kind, known(training.method)));
        }
        match name {
            "k" => training.k = whole(1, 1000)?,
            "c" => training.c = number(|c| c > 0.0, "a number above 0")?,
            "balanced" => training.balanced = flag()?,
            "normalize" => training.unit = flag()?,
            "steps" => training.steps = whole(1, 100_000)?,
            "folds" => training.folds = whole(2, 100)?,
            "positive" => training.positive = Some(value.clone()),
            "precision" => {
                let share = number(|p| (0.0..=1.0).contains(&p), "a share from 0 to 1")?;
                training.aim = Some(Aim::Precision(share));
            }
            "threshold" => {
                training.aim = Some(Aim::Threshold(number(|_| true, "a number")?));
            }
            _ => {}
        }
    }
    Ok(training)
}

fn wrong(option: &str, value: &str, wanted: &str) -> Error {
    Error::Invalid(format!("option {option} is {wanted}, not '{value}'"))
}

fn unknown(option: &str, kind: &str, known: &[&str]) -> Error {
    Error::Invalid(format!(
        "a classifier {kind} has no option '{option}'; it has {}",
        known.join(", ")
    ))
}

async fn show(db: &Database) -> Result<ResultSet> {
    let all = listed(&db.classifiers().store().list().await?)?;
    let schema = all.schema();
    let shown: Vec<usize> = SHOWN.iter().filter_map(|name| schema.index_of(name).ok()).collect();
    let shown = all.project(&shown)?;
    let columns =
        shown.columns().iter().map(|column| match column.as_primitive_opt::<Float64Type>() {
            // To be read; `portolan.classifiers` has all digits.
            Some(numbers) => Arc::new(numbers.unary::<_, Float64Type>(|x| (x * 1e4).round() / 1e4)),
            None => column.clone(),
        });
    let shown = RecordBatch::try_new(shown.schema(), columns.collect())?;
    Ok(ResultSet::batches(shown.schema(), vec![shown]))
}
