//! EXPLAIN, also of the statements that we plan ourselves: it shows how their rows are found.

use std::str::FromStr;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::logical_expr::{ExplainFormat, ExplainOption, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::{ExplainStatement, Statement as Parsed};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use futures::{FutureExt, TryStreamExt};
use portolan_udfs::{Usage, Work};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::result::ResultSet;
use crate::statements::change::Change;
use crate::statements::show::texts;
use crate::statements::{engine, insert, merge, update};

/// Longer lists of numbers are cut short.
const MOST_NUMBERS: usize = 16;

/// EXPLAIN [ANALYZE] [VERBOSE] statement
pub async fn run(db: &Database, explain: &ExplainStatement) -> Result<ResultSet> {
    let mut shown = plans(db, explain).await?;
    let schema = shown.schema();
    let mut batches = Vec::new();
    while let Some(batch) = shown.try_next().await? {
        let columns = batch.columns().iter().map(|column| match column.as_string_opt::<i32>() {
            Some(text) => texts(text.iter().map(|text| text.map(without_long_lists))),
            None => column.clone(),
        });
        batches.push(RecordBatch::try_new(schema.clone(), columns.collect())?);
    }
    Ok(ResultSet::batches(schema, batches))
}

/// A plan's text with long vectors cut short: nobody reads hundreds of numbers, nor what is after them.
fn without_long_lists(text: &str) -> String {
    let mut short = String::with_capacity(text.len().min(4096));
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, list) = rest.split_at(open + 1);
        short.push_str(before);
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
        let end = list.find(|c: char| !(is_number(c) || matches!(c, ',' | ' '))).unwrap_or(0);
        let numbers = list.get(..end).unwrap_or_default();
        let count = numbers.split(',').count();
        let closed = list.get(end..).is_some_and(|after| after.starts_with(']'));
        rest = list;
        if closed && count > MOST_NUMBERS {
            let first: Vec<&str> = numbers.split(',').take(3).collect();
            short.push_str(&format!("{}, … {count} numbers", first.join(",")));
            rest = list.get(end..).unwrap_or_default();
        }
    }
    short.push_str(rest);
    short
}

async fn plans(db: &Database, explain: &ExplainStatement) -> Result<ResultSet> {
    let Parsed::Statement(sql) = explain.statement.as_ref() else {
        return engine(db, &Parsed::Explain(explain.clone())).await;
    };
    let change = match sql.as_ref() {
        Sql::Update(statement) => update::explain_update(db, statement).boxed().await?,
        Sql::Delete(statement) => update::explain_delete(db, statement).boxed().await?,
        Sql::Merge(statement) => Some(merge::explain(db, statement).boxed().await?),
        Sql::Insert(statement) => {
            return match insert::explain(db, statement).boxed().await? {
                Some(plan) => show(db, explain, plan).await,
                None => engine(db, &Parsed::Explain(explain.clone())).await,
            };
        }
        _ => None,
    };
    match change {
        // The pins live until the plan is shown.
        Some(Change { plan, pins, .. }) => {
            let shown = show(db, explain, plan).await;
            drop(pins);
            shown
        }
        None => {
            let parsed = Parsed::Explain(explain.clone());
            if explain.analyze && matches!(sql.as_ref(), Sql::Query(_)) {
                return analyze(db, &parsed).boxed().await;
            }
            let explained = engine(db, &parsed).boxed();
            update::explain_in_memory(db, sql, explained).boxed().await
        }
    }
}

/// Runs a query and shows what its operators did, and its models.
async fn analyze(db: &Database, parsed: &Parsed) -> Result<ResultSet> {
    let plan = db.context().state().statement_to_plan(parsed.clone()).await?;
    let frame = db.context().execute_logical_plan(plan).await?;
    let work = Work::default();
    let mut shown = ResultSet::rows(db.stream_watched(frame, &work).boxed().await?);
    let schema = shown.schema();
    let mut batches = Vec::new();
    while let Some(batch) = shown.try_next().await? {
        batches.push(batch);
    }
    let usage = work.usage();
    if usage.inputs + usage.cached + usage.failed > 0 {
        let columns = vec![texts([Some("Models")]), texts([Some(describe(&usage))])];
        batches.push(RecordBatch::try_new(schema.clone(), columns)?);
    }
    Ok(ResultSet::batches(schema, batches))
}

/// `embedded=10, from_cache=2, failed=0, tokens=170, elapsed=40ms, tokens_per_second=4250`
fn describe(usage: &Usage) -> String {
    let Usage { cached, inputs, tokens, failed, elapsed } = *usage;
    let seconds = elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { (tokens as f64 / seconds) as u64 } else { 0 };
    format!(
        "embedded={inputs}, from_cache={cached}, failed={failed}, tokens={tokens}, elapsed={}ms, tokens_per_second={rate}",
        elapsed.as_millis()
    )
}

async fn show(db: &Database, explain: &ExplainStatement, plan: LogicalPlan) -> Result<ResultSet> {
    if explain.analyze {
        return Err(Error::Unsupported(
            "EXPLAIN ANALYZE would run the statement; EXPLAIN shows its plan".to_string(),
        ));
    }
    let format = match &explain.format {
        Some(format) => ExplainFormat::from_str(format)?,
        None if explain.verbose => ExplainFormat::Indent,
        None => db.context().state().config().options().explain.format.clone(),
    };
    let option = ExplainOption::default().with_verbose(explain.verbose).with_format(format);
    let plan = LogicalPlanBuilder::from(plan).explain_option_format(option)?.build()?;
    Ok(ResultSet::rows(db.stream(plan).boxed().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_lists_of_numbers_are_cut() {
        let long: Vec<String> = (0..384).map(|i| format!("{}", f64::from(i) * -0.5)).collect();
        let plan =
            format!("Sort: cosine(v@1, [{}]) DESC, projection=[a, b], [1, 2]", long.join(", "));
        assert_eq!(
            without_long_lists(&plan),
            "Sort: cosine(v@1, [-0, -0.5, -1, … 384 numbers]) DESC, projection=[a, b], [1, 2]"
        );
        for same in ["", "[", "[[1, 2], [3]]", "a[1", "[x, 1, 2]"] {
            assert_eq!(without_long_lists(same), same);
        }
    }
}
