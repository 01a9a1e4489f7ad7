//! `vector_search`, `nearest_to`, `text_search` and `hybrid_search` in FROM: their arguments, which are
//! constants, made into what is asked.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DFSchema, ScalarValue, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::sql::sqlparser::ast::Expr as Ast;
use futures::FutureExt;
use lance::index::DatasetIndexExt;
use portolan_udfs::Fingerprint;
use portolan_udfs::vector::{constant, is_vector};

use super::candidates::Filtered;
use super::decoded::{Columns, Target};
use super::exact::taken;
use super::fuse::Fusion;
use super::index::{Metric, Tuning};
use super::ranked::{Ask, Near, RankedTable, Words};
use super::request::Request;
use crate::error::{Error, Result};
use crate::statements::named_arguments::{Arguments, Signature};
use crate::tables::Table;

static VECTOR_SEARCH: Signature = Signature {
    function: "vector_search",
    required: &["table", "query"],
    optional: &["k", "column", "filter", "metric", "max_distance", "diversity"],
};
static NEAREST_TO: Signature = Signature {
    function: "nearest_to",
    required: &["table", "id"],
    optional: &["k", "column", "filter", "metric", "max_distance", "diversity"],
};
static TEXT_SEARCH: Signature = Signature {
    function: "text_search",
    required: &["table", "text"],
    optional: &["k", "column", "filter", "operator", "fuzziness"],
};
static HYBRID_SEARCH: Signature = Signature {
    function: "hybrid_search",
    required: &["table", "text"],
    optional: &[
        "query",
        "k",
        "alpha",
        "column",
        "text_column",
        "filter",
        "metric",
        "method",
        "operator",
        "fuzziness",
    ],
};

/// All of them.
pub static FUNCTIONS: &[&Signature] = &[&VECTOR_SEARCH, &NEAREST_TO, &TEXT_SEARCH, &HYBRID_SEARCH];

/// Rows that are given where nothing else is said.
const K: usize = 10;

/// The table that a call of one of them stands for.
pub async fn open(
    state: &SessionState,
    columns: &Arc<Columns>,
    function: &'static str,
    arguments: &Arguments,
) -> Result<Arc<dyn TableProvider>> {
    let name = arguments.text("table")?.unwrap_or_default();
    let table = stored(state, function, &name).await?;
    let call = Call { state, columns, function, arguments, table };
    let filters = call.filters()?;
    let ask = match function {
        "vector_search" => Ask::Near(call.vector_search().await?),
        "nearest_to" => Ask::Near(call.nearest_to().await?),
        "text_search" => Ask::Words(call.words("column", K).await?),
        _ => call.hybrid_search().await?,
    };
    Ok(Arc::new(RankedTable::new(call.table, ask, filters, columns.clone())))
}

async fn stored(state: &SessionState, function: &str, name: &str) -> Result<Table> {
    let reference = TableReference::from(name);
    let schema = state.schema_for_ref(reference.clone())?;
    let Some(provider) = schema.table(reference.table()).boxed().await? else {
        return Err(Error::not_found("table", name.to_string(), ""));
    };
    provider.downcast_ref::<Table>().cloned().ok_or_else(|| {
        Error::Unsupported(format!(
            "{function} searches stored tables, and '{name}' is none; ORDER BY a distance with LIMIT searches anything"
        ))
    })
}

struct Call<'a> {
    state: &'a SessionState,
    columns: &'a Columns,
    function: &'static str,
    arguments: &'a Arguments,
    table: Table,
}

impl Call<'_> {
    fn refuse(&self, message: impl std::fmt::Display) -> Error {
        Error::sql(format!("{}: {message}", self.function))
    }

    async fn vector_search(&self) -> Result<Near> {
        let Some(query) = self.arguments.get("query") else {
            return Err(self.refuse("the query is NULL; give a vector"));
        };
        let (value, field) = self.value(query).await?;
        let (queries, several) = self.queries(&value)?;
        let width = queries.first().map(Vec::len);
        let target = self.target("column", width)?;
        self.check(&target, &field)?;
        for query in &queries {
            if query.len() != target.width {
                return Err(self.refuse(format!(
                    "the query has {} dimensions and column '{}' has {}; only vectors of one length can be compared",
                    query.len(),
                    target.column,
                    target.width
                )));
            }
        }
        self.near(target, queries, several, None).await
    }

    async fn nearest_to(&self) -> Result<Near> {
        let definition = self.table.definition();
        let keys = definition.primary_key();
        let [key] = keys.as_slice() else {
            return Err(self.refuse(format!(
                "table '{}' has no primary key of one column; vector_search takes a vector",
                self.table.label()
            )));
        };
        let Some(id) = self.arguments.get("id") else {
            return Err(self.refuse("the id is NULL"));
        };
        let (value, _) = self.value(id).await?;
        let target = self.target("column", None)?;
        let shown = value.to_string();
        let wanted = col(Column::from_name(key)).eq(lit(value));
        let address = match Filtered::new(&self.table, self.state, &[wanted]).await? {
            Some(row) => {
                let (rows, _) = row.rows(&self.columns.passed, &self.state.task_ctx()).await?;
                rows.addresses.min()
            }
            None => None,
        };
        let Some(address) = address else {
            return Err(self.refuse(format!(
                "no row of '{}' has {key} = {shown}",
                self.arguments.text("table")?.unwrap_or_default()
            )));
        };
        let values = taken(&target, &[address]).await?;
        let vector = values.rows(target.width).next().unwrap_or_default();
        if vector.iter().any(|x| x.is_nan()) {
            return Err(self.refuse(format!(
                "the row with {key} = {shown} has no vector in column '{}'",
                target.column
            )));
        }
        self.near(target, vec![vector], false, Some(address)).await
    }

    async fn near(
        &self,
        target: Target,
        queries: Vec<Vec<f32>>,
        several: bool,
        without: Option<u64>,
    ) -> Result<Near> {
        let metric = self.metric(&target).await?;
        let most = self.number("max_distance")?;
        let within = match (most, metric) {
            (None, _) => None,
            (Some(most), Metric::Cosine) => Some(most - 1.0),
            (Some(most), Metric::L2) => Some(most * most),
            (Some(most), Metric::Dot) => Some(most),
        };
        let k = match self.whole("k", 1)? {
            Some(k) => k,
            // All rows that are near enough.
            None if within.is_some() => usize::MAX / 16,
            None => K,
        };
        let diversity = self.number("diversity")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&diversity) {
            return Err(self.refuse(format!("'diversity' is from 0 to 1, not {diversity}")));
        }
        let requests = queries
            .into_iter()
            .map(|query| Request {
                column: target.column.clone(),
                query,
                measure: metric.measure(),
                k,
                ties: false,
                within,
            })
            .collect();
        Ok(Near { target, requests, several, diversity, without })
    }

    async fn words(&self, column: &str, k: usize) -> Result<Words> {
        let Some(text) = self.arguments.get("text") else {
            return Err(self.refuse("the text is NULL"));
        };
        let (value, _) = self.value(text).await?;
        let Some(Some(text)) = value.try_as_str().map(|text| text.map(str::to_string)) else {
            return Err(self.refuse(format!("'text' is a text in single quotes, not {value}")));
        };
        let column = self.text_column(column).await?;
        let all = match self.arguments.text("operator")?.as_deref() {
            None | Some("or") => false,
            Some("and") => true,
            Some(other) => {
                return Err(self.refuse(format!("'operator' is 'or' or 'and', not '{other}'")));
            }
        };
        let k = self.whole("k", 1)?.unwrap_or(k);
        let fuzziness = self.whole("fuzziness", 0)?.unwrap_or(0);
        let fuzziness = u32::try_from(fuzziness).ok().filter(|n| *n <= 2);
        let Some(fuzziness) = fuzziness else {
            return Err(self.refuse("'fuzziness' is 0, 1 or 2 letters"));
        };
        Ok(Words { column, text, all, fuzziness, k })
    }

    async fn hybrid_search(&self) -> Result<Ask> {
        let mut words = self.words("text_column", K).await?;
        let k = words.k;
        let query = match self.arguments.get("query") {
            Some(query) => self.value(query).await?,
            None => self.embedded(&words.text).await?,
        };
        let (queries, _) = self.queries(&query.0)?;
        let target = self.target("column", queries.first().map(Vec::len))?;
        self.check(&target, &query.1)?;
        if queries.iter().any(|query| query.len() != target.width) || queries.len() != 1 {
            return Err(self.refuse(format!(
                "the query is one vector of {} dimensions, as column '{}' has",
                target.width, target.column
            )));
        }
        let mut near = self.near(target, queries, false, None).await?;
        // Both lists reach further down than their fusion.
        let depth = k.saturating_mul(4).max(50);
        near.requests.iter_mut().for_each(|request| request.k = depth);
        words.k = depth;
        let alpha = self.number("alpha")?.unwrap_or(0.5);
        if !(0.0..=1.0).contains(&alpha) {
            return Err(self.refuse(format!("'alpha' is from 0 to 1, not {alpha}")));
        }
        let fusion = match self.arguments.text("method")?.as_deref() {
            None | Some("rrf") => Fusion::Ranks,
            Some("weighted") => Fusion::Scores,
            Some(other) => {
                return Err(self.refuse(format!("'method' is 'rrf' or 'weighted', not '{other}'")));
            }
        };
        Ok(Ask::Both { near, words, fusion, alpha, k })
    }

    /// The text as a vector of the model that made the column.
    async fn embedded(&self, text: &str) -> Result<(ScalarValue, FieldRef)> {
        let target = self.target("column", None)?;
        let schema = self.table.schema();
        let made = Fingerprint::of(schema.field_with_name(&target.column)?);
        let Some(Fingerprint { model, dims, .. }) = made else {
            return Err(self.refuse(format!(
                "which model made column '{}' is not known; give the text's vector as query => embed_text('…', 'search_query')",
                target.column
            )));
        };
        let quoted = |text: &str| text.replace('\'', "''");
        self.selected(&format!(
            "embed_text('{}', 'search_query', {dims}, '{}')",
            quoted(text),
            quoted(&model)
        ))
        .await
    }

    /// The value of a constant.
    async fn value(&self, expr: &Ast) -> Result<(ScalarValue, FieldRef)> {
        self.selected(&expr.to_string()).await
    }

    async fn selected(&self, expr: &str) -> Result<(ScalarValue, FieldRef)> {
        let plan =
            self.state.create_logical_plan(&format!("SELECT ({expr}) AS value")).boxed().await;
        let plan = plan.map_err(|error| {
            self.refuse(format!(
                "its arguments are constants or subqueries, and {expr} is not understood: {}",
                Error::from(error)
            ))
        })?;
        let frame = DataFrame::new(self.state.clone(), plan);
        let field = frame.schema().as_arrow().field(0).clone();
        let batches = frame.collect().boxed().await?;
        match batches.iter().find(|batch| batch.num_rows() > 0) {
            Some(batch) => Ok((ScalarValue::try_from_array(batch.column(0), 0)?, Arc::new(field))),
            None => Ok((ScalarValue::try_from(field.data_type())?, Arc::new(field))),
        }
    }

    /// One vector, or a list of them.
    fn queries(&self, value: &ScalarValue) -> Result<(Vec<Vec<f32>>, bool)> {
        let one = |value: &ScalarValue| {
            constant(value).filter(|vector| vector.iter().all(|x| x.is_finite())).ok_or_else(|| {
                self.refuse(if value.is_null() {
                    "the query is NULL; give a vector".to_string()
                } else if value.data_type().is_string() {
                    "the query is a vector, not a text; embed_text makes one of a text".to_string()
                } else {
                    "the query is a vector of numbers, or a list of such vectors".to_string()
                })
            })
        };
        let list = match value.data_type() {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                item.data_type().is_nested()
            }
            _ => false,
        };
        if !list || value.is_null() {
            return Ok((vec![one(value)?], false));
        }
        let all = value.to_array()?;
        let items =
            cast(&all, &DataType::List(Arc::new(Field::new("item", element(value), true))))?;
        let items = items.as_list::<i32>().value(0);
        let queries = (0..items.len())
            .map(|row| one(&ScalarValue::try_from_array(&items, row)?))
            .collect::<Result<Vec<_>>>()?;
        if queries.is_empty() {
            return Err(self.refuse("the list of queries is empty; give at least one vector"));
        }
        Ok((queries, true))
    }

    /// An error where query and column are of two models.
    fn check(&self, target: &Target, query: &FieldRef) -> Result<()> {
        let schema = self.table.schema();
        let column = schema.field_with_name(&target.column)?;
        // A list of vectors holds its items' fingerprint.
        let query = query.as_ref().clone().with_name("query");
        Fingerprint::check(column, &query)?;
        Ok(())
    }

    /// The column of vectors that is named, or the only one there is.
    fn target(&self, parameter: &str, width: Option<usize>) -> Result<Target> {
        let schema = self.table.schema();
        let table = self.arguments.text("table")?.unwrap_or_default();
        if let Some(name) = self.arguments.text(parameter)? {
            let Ok(field) = schema.field_with_name(&name) else {
                return Err(crate::statements::unknown_column(
                    &self.table.definition(),
                    &table,
                    &name,
                ));
            };
            if !is_vector(field.data_type()) {
                return Err(self.refuse(format!("column '{name}' holds no vectors")));
            }
            return Target::new(self.table.dataset(), &name)
                .ok_or_else(|| self.refuse(format!("column '{name}' holds no vectors")));
        }
        let all: Vec<Target> = schema
            .fields()
            .iter()
            .filter(|field| is_vector(field.data_type()))
            .filter_map(|field| Target::new(self.table.dataset(), field.name()))
            .collect();
        let fitting: Vec<&Target> =
            all.iter().filter(|target| width.is_none_or(|width| target.width == width)).collect();
        match (fitting.as_slice(), all.as_slice()) {
            ([one], _) => Ok((*one).clone()),
            ([], [one]) => Ok(one.clone()),
            ([], []) => Err(self.refuse(format!("table '{table}' has no column of vectors"))),
            _ => {
                let names: Vec<&str> = all.iter().map(|target| target.column.as_str()).collect();
                Err(self.refuse(format!(
                    "table '{table}' has several columns of vectors ({}); say which with {parameter} => '{}'",
                    names.join(", "),
                    names.first().copied().unwrap_or_default()
                )))
            }
        }
    }

    /// The column that is searched for words: the one that is named, or the only one with an index.
    async fn text_column(&self, parameter: &str) -> Result<String> {
        let dataset = self.table.dataset();
        let table = self.arguments.text("table")?.unwrap_or_default();
        let mut indexed = Vec::new();
        for index in dataset.load_indices().boxed().await?.iter() {
            let statistics = dataset.index_statistics(&index.name).boxed().await?;
            let statistics: serde_json::Value =
                serde_json::from_str(&statistics).unwrap_or_default();
            let is_text = statistics["index_type"]
                .as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("inverted"));
            let field = index.fields.first().and_then(|id| dataset.schema().field_by_id(*id));
            if let (true, Some(field)) = (is_text, field)
                && !indexed.contains(&field.name)
            {
                indexed.push(field.name.clone());
            }
        }
        if let Some(name) = self.arguments.text(parameter)? {
            if self.table.schema().field_with_name(&name).is_err() {
                return Err(crate::statements::unknown_column(
                    &self.table.definition(),
                    &table,
                    &name,
                ));
            }
            if !indexed.contains(&name) {
                return Err(self.refuse(format!(
                    "column '{name}' has no text index; CREATE TEXT INDEX ON {table} ({name})"
                )));
            }
            return Ok(name);
        }
        match indexed.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(self.refuse(format!(
                "table '{table}' has no text index; CREATE TEXT INDEX ON {table} (column)"
            ))),
            several => Err(self.refuse(format!(
                "table '{table}' has text indexes on {}; say which with {parameter} => '{}'",
                several.join(", "),
                several.first().map(String::as_str).unwrap_or_default()
            ))),
        }
    }

    /// What vectors are compared by: what is said, or what the column's index compares by.
    async fn metric(&self, target: &Target) -> Result<Metric> {
        if let Some(name) = self.arguments.text("metric")? {
            return Metric::named(&name).ok_or_else(|| {
                self.refuse(format!("'metric' is 'cosine', 'l2' or 'dot', not '{name}'"))
            });
        }
        let indices = target.dataset.load_indices().boxed().await?;
        let on_column = indices.iter().filter(|index| index.fields == [target.field]);
        let mut tunings = on_column.filter_map(|index| Tuning::of(&target.dataset, &index.uuid));
        Ok(tunings.next().map_or(Metric::Cosine, |tuning| tuning.metric))
    }

    fn filters(&self) -> Result<Vec<Expr>> {
        let Some(filter) = self.arguments.text("filter")? else { return Ok(Vec::new()) };
        let schema = DFSchema::try_from(self.table.schema().as_ref().clone())?;
        let filter = self.state.create_logical_expr(&filter, &schema).map_err(|error| {
            self.refuse(format!("the filter is not understood: {}", Error::from(error)))
        })?;
        Ok(vec![filter])
    }

    fn whole(&self, parameter: &str, least: i64) -> Result<Option<usize>> {
        let number = self.arguments.whole(parameter, least)?;
        Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX / 16)))
    }

    fn number(&self, parameter: &str) -> Result<Option<f32>> {
        let Some(value) = self.arguments.get(parameter) else { return Ok(None) };
        match value.to_string().parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.refuse(format!("'{parameter}' is a number, not {value}"))),
        }
    }
}

fn element(list: &ScalarValue) -> DataType {
    match list.data_type() {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().clone()
        }
        other => other,
    }
}
