//! `neighbors(v, id [, k [, metric [, seed]]])`: who is near whom.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, ListArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, exec_datafusion_err, internal_err};
use datafusion_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{DocSection, Documentation, PartitionEvaluator, Signature, WindowUDFImpl};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use portolan_kernels::graph::{Graph, NONE};
use portolan_kernels::neighbours::{Metric, Options};

use super::partition::{Partition, looked_for};
use crate::function::{Function, Kind};
use crate::rows::{Vectors, codes};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, borrowed, coerce, constants, metric, whole};

const NAME: &str = "neighbors";

/// The parameters, in their order.
const PARAMETERS: &[&str] = &["v", "id", "k", "metric", "seed"];

/// What there is to say of it.
pub struct NeighborsKind;

/// The function.
pub static NEIGHBORS: NeighborsKind = NeighborsKind;

impl Kind for NeighborsKind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parameters(&self) -> &'static [&'static str] {
        PARAMETERS
    }
}

/// The function, in a statement.
pub type Neighbors = Function<NeighborsKind>;

/// What is said of one neighbour.
fn parts(id: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("id", id.clone(), true),
        Field::new("distance", DataType::Float32, true),
    ])
}

fn item(id: &DataType) -> FieldRef {
    Arc::new(Field::new("item", DataType::Struct(parts(id)), true))
}

impl WindowUDFImpl for Neighbors {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(NAME, PARAMETERS, 2, &[0], types)
    }

    /// Only the columns: a constant would become as many rows as there are.
    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        args.input_exprs().iter().take(2).cloned().collect()
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let constants = constants(args.input_exprs())?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(NAME, PARAMETERS, &constants);
        let options = Options {
            k: whole(NAME, &arguments, "k", 1..=1000)?.unwrap_or(15),
            metric: metric(NAME, &arguments, 3, Metric::Cosine)?,
            seed: self.statement.seed(NAME, &arguments)?,
            ..Options::default()
        };
        Ok(Box::new(Evaluator { options, statement: self.statement.clone() }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let Some(id) = args.get_input_field(1) else {
            return internal_err!("neighbors without an id");
        };
        Ok(Arc::new(Field::new(args.name(), DataType::List(item(id.data_type())), true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

#[derive(Debug)]
struct Evaluator {
    options: Options,
    statement: Statement,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let [vectors, ids, ..] = values else {
            return internal_err!("neighbors without vectors and ids");
        };
        self.statement.go_on(NAME)?;
        let vectors = Vectors::new(NAME, "v", vectors)?;
        let width = vectors.width();
        // The rows twice and as the graph wants them; its neighbours, and what is said of them.
        let edges = looked_for(self.options.k, rows).saturating_mul(40);
        let bytes = (width.saturating_mul(12).saturating_add(edges).saturating_add(64))
            .saturating_mul(rows);
        // Of repeats of a row, the one with the lower id comes first.
        let ties = codes(ids)?;
        let (kept, graph, left_out) = self.statement.run(NAME, bytes, |work| {
            let by_direction = self.options.metric == Metric::Cosine;
            let of = Partition::new(NAME, &vectors, by_direction, Some((ids, &ties)), work)?;
            let graph = of.graph(self.options.k, self.options.metric, self.options.seed)?;
            Ok((of.kept, graph, of.left_out))
        })?;
        self.statement.work().left_out(NAME, left_out);
        lists(rows, &kept, &graph, ids)
    }
}

/// The neighbours of every row, by their ids. The graph's rows are those that were kept.
fn lists(rows: usize, kept: &[u32], graph: &Graph, ids: &ArrayRef) -> Result<ArrayRef> {
    let mut place = vec![NONE; rows];
    for (at, row) in kept.iter().enumerate() {
        // There are no more than rows, which u32 counts.
        place[*row as usize] = at as u32;
    }
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0i32);
    let (mut whom, mut distances) = (Vec::new(), Vec::new());
    for at in &place {
        if *at != NONE && graph.k > 0 {
            let range = *at as usize * graph.k..(*at as usize + 1) * graph.k;
            for (near, distance) in
                graph.neighbours[range.clone()].iter().zip(&graph.distances[range])
            {
                if *near != NONE {
                    whom.push(kept[*near as usize]);
                    distances.push(*distance);
                }
            }
        }
        let end = i32::try_from(whom.len()).map_err(|_| {
            exec_datafusion_err!(
                "{NAME}: {} neighbours of {rows} rows are too many for one column; ask for a smaller k",
                graph.k
            )
        })?;
        offsets.push(end);
    }
    let near = take(ids, &UInt32Array::from(whom), None)?;
    let columns = vec![near, Arc::new(Float32Array::from(distances)) as ArrayRef];
    let structs = StructArray::try_new(parts(ids.data_type()), columns, None)?;
    let valid: Vec<bool> = place.iter().map(|at| *at != NONE).collect();
    let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(Arc::new(ListArray::try_new(item(ids.data_type()), offsets, Arc::new(structs), nulls)?))
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DocSection { include: true, label: "Maps", description: None },
        "The nearest other rows of the partition, the nearest first: a list of struct(id, distance). Up to 50,000 different rows they are the true ones, above at least 95 of 100 are. Rows without a vector, with NaN or infinity, or of zeros (with the metric 'cosine') have NULL, and are nobody's neighbours. For unnest.",
        "neighbors(v, id [, k [, metric [, seed]]]) OVER ([PARTITION BY …])",
    )
    .with_sql_example(
        "```sql\nSELECT id, unnest(neighbors(embedding, id, k => 5) OVER ()) AS near FROM reviews;\n```",
    )
    .with_argument("v", "The vector.")
    .with_argument("id", "What the row is called in the lists of others; of any type.")
    .with_argument("k", "How many neighbours, 1 to 1000; 15 if not given; a constant.")
    .with_argument(
        "metric",
        "What near means: 'cosine' (default; the distance is 1 - cosine), 'l2', or 'dot' (1 - the sum of products); a constant.",
    )
    .with_argument("seed", "Where chance begins; portolan.seed if not given; a constant.")
    .build()
});
