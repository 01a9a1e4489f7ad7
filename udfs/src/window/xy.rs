//! What all functions have in common that lay rows out on a map: from vectors to struct(x, y).

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, internal_err};
use datafusion_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{Documentation, PartitionEvaluator, Signature, WindowUDFImpl};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::{self, Metric};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::Umap;
use portolan_kernels::watch::Watch;

use super::partition::{Partition, content, graph, looked_for, without_neighbours};
use crate::function::{Function, Kind};
use crate::rows::{Gathered, Vectors, arranged, canonical, codes};
use crate::scalar::arguments::Arguments;
use crate::statement::{Statement, borrowed, coerce, constants};
use crate::work::Work;

/// Rows from which `map_xy` takes NOMAD.
pub const MANY: usize = 50_000;
/// Dimensions of a map.
const DIMS: usize = 2;

/// One of the functions.
pub struct MapKind {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its parameters: the vector, and options.
    pub parameters: &'static [&'static str],
    /// How a call wants its map to be made.
    pub recipe: fn(&Arguments, &Statement) -> Result<Recipe>,
    /// What it says of itself.
    pub documentation: fn() -> &'static Documentation,
}

/// How a map is made.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// How near rows are.
    pub metric: Metric,
    /// Where chance begins.
    pub seed: u64,
    /// The layout.
    pub layout: Layout,
}

/// Where rows come to lie.
#[derive(Debug, Clone)]
pub enum Layout {
    /// UMAP below [`MANY`] rows, else NOMAD.
    BySize(Umap, Nomad),
    /// NOMAD.
    Nomad(Nomad),
    /// The first two principal components.
    Principal,
    /// UMAP.
    Umap(Umap),
}

impl Kind for MapKind {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}

/// A function that lays rows out, in a statement.
pub type MapXy = Function<MapKind>;

impl MapXy {
    /// The place of the labels, where the function takes any.
    fn label_at(&self) -> Option<usize> {
        self.kind.parameters.iter().position(|name| *name == "label")
    }

    /// Whether a call has labels.
    fn has_labels(&self, fields: &[FieldRef]) -> bool {
        let label = self.label_at().and_then(|at| fields.get(at));
        label.is_some_and(|label| !label.data_type().is_null())
    }
}

fn axes() -> Fields {
    ["x", "y"].into_iter().map(|axis| Field::new(axis, DataType::Float32, true)).collect()
}

impl WindowUDFImpl for MapXy {
    fn name(&self) -> &str {
        self.kind.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        coerce(self.kind.name, self.kind.parameters, 1, &[0], types)
    }

    /// Only the columns: a constant would become as many rows as there are.
    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        let vector = args.input_exprs().first();
        let label = self.label_at().filter(|_| self.has_labels(args.input_fields()));
        let label = label.and_then(|at| args.input_exprs().get(at));
        vector.into_iter().chain(label).cloned().collect()
    }

    fn partition_evaluator(
        &self,
        args: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        let constants = constants(args.input_exprs())?;
        let constants = borrowed(&constants);
        let arguments = Arguments::new(self.kind.name, self.kind.parameters, &constants);
        let recipe = (self.kind.recipe)(&arguments, &self.statement)?;
        let statement = self.statement.clone();
        let has_labels = self.has_labels(args.input_fields());
        Ok(Box::new(Evaluator { function: self.kind.name, recipe, has_labels, statement }))
    }

    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(args.name(), DataType::Struct(axes()), true)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some((self.kind.documentation)())
    }
}

#[derive(Debug)]
struct Evaluator {
    function: &'static str,
    recipe: Recipe,
    has_labels: bool,
    statement: Statement,
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Some(vectors) = values.first() else {
            return internal_err!("{} without vectors", self.function);
        };
        self.statement.go_on(self.function)?;
        let labels = match values.get(1).filter(|_| self.has_labels) {
            Some(labels) => Some(codes(labels)?),
            None => None,
        };
        let vectors = Vectors::new(self.function, "v", vectors)?;
        let bytes = self.recipe.bytes(rows, vectors.width());
        let (mut x, mut y) = (vec![0.0; rows], vec![0.0; rows]);
        let mut valid = vec![false; rows];
        let left_out = self.statement.run(self.function, bytes, |work| {
            let by_direction = self.recipe.metric == Metric::Cosine
                && !matches!(self.recipe.layout, Layout::Principal);
            let Gathered { mut values, kept, left_out } =
                Gathered::new(&[&vectors], by_direction, None);
            let values = values.pop().unwrap_or_default();
            let labels: Option<Vec<Option<u32>>> =
                labels.map(|labels| kept.iter().map(|row| labels[*row as usize]).collect());
            let width = vectors.width();
            let places = self.recipe.places(self.function, values, width, labels, work)?;
            for (row, place) in kept.iter().zip(places) {
                let row = *row as usize;
                (x[row], y[row], valid[row]) = (place[0], place[1], true);
            }
            Ok(left_out)
        })?;
        self.statement.work().left_out(self.function, left_out);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Float32Array::from(x)), Arc::new(Float32Array::from(y))];
        let nulls = valid.contains(&false).then(|| NullBuffer::from(valid));
        Ok(Arc::new(StructArray::try_new(axes(), columns, nulls)?))
    }
}

impl Recipe {
    /// Neighbours of a row that the graph must have.
    fn neighbours(&self, rows: usize) -> usize {
        match &self.layout {
            Layout::BySize(umap, _) if rows < MANY => umap.neighbours - 1,
            // A row is its own first neighbour there.
            Layout::Umap(umap) => umap.neighbours - 1,
            Layout::BySize(_, nomad) | Layout::Nomad(nomad) => nomad.neighbours,
            Layout::Principal => 0,
        }
    }

    /// About how much memory a map takes: the rows twice, the rows as the graph wants them, its
    /// neighbours with what is made of them, and places.
    fn bytes(&self, rows: usize, width: usize) -> usize {
        let copies = if matches!(self.layout, Layout::Principal) { 2 } else { 3 };
        let vectors = width.saturating_mul(4 * copies);
        let edges = looked_for(self.neighbours(rows), rows).saturating_mul(56);
        vectors.saturating_add(edges).saturating_add(96).saturating_mul(rows)
    }

    /// Where rows lie, in their order.
    fn places(
        &self,
        function: &str,
        values: Vec<f32>,
        width: usize,
        labels: Option<Vec<Option<u32>>>,
        work: &Work,
    ) -> portolan_kernels::Result<Vec<[f32; DIMS]>> {
        let whole = || portolan_kernels::Error::Shape("rows are not whole".to_string());
        let given = Rows::new(&values, width).ok_or_else(whole)?;
        let count = given.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        // Unlabelled rows come first.
        let ties: Option<Vec<u32>> = labels
            .as_ref()
            .map(|labels| labels.iter().map(|label| label.map_or(0, |label| label + 1)).collect());
        let order = canonical(given, ties.as_deref());
        let mut sorted = arranged(&values, width, &order);
        drop(values);
        let graph = self.graph(function, Rows::new(&sorted, width).ok_or_else(whole)?, work)?;
        let by_direction =
            self.metric == Metric::Cosine && !matches!(self.layout, Layout::Principal);
        if by_direction {
            sorted.chunks_exact_mut(width).for_each(normalise);
        }
        let rows = Rows::new(&sorted, width).ok_or_else(whole)?;
        let map = self.lay_out(rows, &graph, labels, &order, work)?;
        let mut places = vec![[0.0; DIMS]; count];
        for (row, place) in order.iter().zip(map.as_chunks::<DIMS>().0) {
            places[*row as usize] = *place;
        }
        Ok(places)
    }

    /// Where the rows of a partition lie whose neighbours are known, in their order.
    pub fn places_of(
        &self,
        of: &Partition,
        graph: &Graph,
    ) -> portolan_kernels::Result<Vec<[f32; DIMS]>> {
        let rows = of.rows()?;
        let mut values = rows.values().to_vec();
        if self.metric == Metric::Cosine && !matches!(self.layout, Layout::Principal) {
            values.chunks_exact_mut(rows.width()).for_each(normalise);
        }
        let rows = Rows::new(&values, rows.width()).unwrap_or(rows);
        let map = self.lay_out(rows, graph, None, &[], of.work)?;
        Ok(map.as_chunks::<DIMS>().0.to_vec())
    }

    /// Who is near whom, of rows as they are: other functions of a statement ask for the same.
    fn graph(
        &self,
        function: &str,
        rows: Rows,
        work: &Work,
    ) -> portolan_kernels::Result<Arc<Graph>> {
        let k = self.neighbours(rows.len());
        if k == 0 {
            return Ok(Arc::new(without_neighbours()));
        }
        let options = neighbours::Options {
            metric: self.metric,
            k,
            seed: self.seed,
            ..neighbours::Options::default()
        };
        graph(function, rows, content(rows), &options, work)
    }

    fn lay_out(
        &self,
        rows: Rows,
        graph: &Graph,
        labels: Option<Vec<Option<u32>>>,
        order: &[u32],
        work: &Work,
    ) -> portolan_kernels::Result<Vec<f32>> {
        let count = rows.len();
        let options = pca::Options { components: DIMS, seed: self.seed };
        let start = Pca::fit(rows, &options, work)?.place(rows, work)?;
        if Watch::stopped(work) {
            return Err(portolan_kernels::Error::Stopped);
        }
        match (&self.layout, labels) {
            (Layout::Principal, _) => Ok(start),
            (Layout::Umap(umap), Some(labels)) => {
                let labels: Vec<Option<u32>> =
                    order.iter().map(|row| labels[*row as usize]).collect();
                umap.fit_labelled(graph, &start, &labels, work)
            }
            (Layout::Umap(umap), None) => umap.fit(graph, &start, work),
            (Layout::BySize(umap, _), _) if count < MANY => umap.fit(graph, &start, work),
            (Layout::BySize(_, nomad) | Layout::Nomad(nomad), _) => {
                nomad.fit(graph, rows, &start, work)
            }
        }
    }
}

/// Makes a row's length 1. In f64, where no length is out of range.
fn normalise(row: &mut [f32]) {
    let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = square.sqrt();
    if length > 0.0 {
        // Between -1 and 1.
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}
