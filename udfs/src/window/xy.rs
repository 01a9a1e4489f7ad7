//! What all functions have in common that lay rows out on a map: from vectors to struct(x, y).

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, internal_err, plan_err};
use datafusion_expr::function::{ExpressionArgs, PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion_expr::{Documentation, PartitionEvaluator, Signature, WindowUDFImpl};
use datafusion_physical_expr_common::physical_expr::PhysicalExpr;
use portolan_kernels::graph::Graph;
use portolan_kernels::neighbours::{self, Metric};
use portolan_kernels::nomad::Nomad;
use portolan_kernels::pca::{self, Pca};
use portolan_kernels::rows::Rows;
use portolan_kernels::umap::{self, Umap};
use portolan_kernels::watch::Watch;

use super::partition::{Partition, content, graph, looked_for, without_neighbours};
use crate::function::{Function, Kind};
use crate::rows::{Gathered, Vectors, arrange, canonical, codes, is_places, normalise};
use crate::scalar::arguments::{Arguments, type_name};
use crate::statement::{Statement, borrowed, coerce, constants};
use crate::work::Work;

/// Rows from which `map_xy` takes NOMAD.
pub const MANY: usize = 50_000;
/// Dimensions of a map.
const DIMS: usize = 2;
/// Parameters that are columns, too, where a function has them.
const LABEL: &str = "label";
const ALIGN_TO: &str = "align_to";

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
    /// The columns that a call has beside vectors, and the places of their arguments.
    fn columns(&self, fields: &[FieldRef]) -> impl Iterator<Item = (&'static str, usize)> {
        [LABEL, ALIGN_TO].into_iter().filter_map(|column| {
            let at = self.kind.parameters.iter().position(|name| *name == column)?;
            let given = fields.get(at).is_some_and(|field| !field.data_type().is_null());
            given.then_some((column, at))
        })
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
        let at = self.kind.parameters.iter().position(|name| *name == ALIGN_TO);
        if let Some(given) = at.and_then(|at| types.get(at))
            && !is_places(given)
            && !given.is_null()
        {
            let name = self.kind.name;
            return plan_err!(
                "{name}: {ALIGN_TO} is a struct(x, y), a place on another map, not {}",
                type_name(given)
            );
        }
        let vectors = [Some(0), at];
        let vectors: Vec<usize> = vectors.into_iter().flatten().collect();
        coerce(self.kind.name, self.kind.parameters, 1, &vectors, types)
    }

    /// Only the columns: a constant would become as many rows as there are.
    fn expressions(&self, args: ExpressionArgs) -> Vec<Arc<dyn PhysicalExpr>> {
        let vector = args.input_exprs().first();
        let columns = self.columns(args.input_fields());
        let columns = columns.filter_map(|(_, at)| args.input_exprs().get(at));
        vector.into_iter().chain(columns).cloned().collect()
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
        let columns: Vec<_> = self.columns(args.input_fields()).map(|(column, _)| column).collect();
        if columns.contains(&ALIGN_TO) && (columns.contains(&LABEL) || recipe.counts_densities()) {
            return plan_err!(
                "{}: a map that is aligned to another counts neither labels nor densities; leave out {ALIGN_TO}, or label and densmap",
                self.kind.name
            );
        }
        Ok(Box::new(Evaluator { function: self.kind.name, recipe, columns, statement }))
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
    /// What there is beside vectors, in this order.
    columns: Vec<&'static str>,
    statement: Statement,
}

/// What is known of rows beside their vectors.
#[derive(Default)]
struct Beside {
    labels: Option<Vec<Option<u32>>>,
    align_to: Option<Vec<f32>>,
}

impl Evaluator {
    fn column<'a>(&self, name: &str, values: &'a [ArrayRef]) -> Option<&'a ArrayRef> {
        values.get(1 + self.columns.iter().position(|column| *column == name)?)
    }
}

impl PartitionEvaluator for Evaluator {
    fn evaluate_all(&mut self, values: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let Some(vectors) = values.first() else {
            return internal_err!("{} without vectors", self.function);
        };
        self.statement.go_on(self.function)?;
        let labels = self.column(LABEL, values).map(codes).transpose()?;
        let align_to = self.column(ALIGN_TO, values);
        let align_to =
            align_to.map(|places| Vectors::new(self.function, ALIGN_TO, places)).transpose()?;
        let vectors = Vectors::new(self.function, "v", vectors)?;
        let bytes = self.recipe.bytes(rows, vectors.width());
        let (mut x, mut y) = (vec![0.0; rows], vec![0.0; rows]);
        let mut valid = vec![false; rows];
        let left_out = self.statement.run(self.function, bytes, |work| {
            let by_direction = self.recipe.metric == Metric::Cosine
                && !matches!(self.recipe.layout, Layout::Principal);
            let both: Vec<&Vectors> = std::iter::once(&vectors).chain(&align_to).collect();
            let Gathered { values, kept, left_out } = Gathered::new(&both, by_direction, None);
            let mut values = values.into_iter();
            let (values, align_to) = (values.next().unwrap_or_default(), values.next());
            let labels = labels
                .map(|labels| kept.iter().map(|row| labels[*row as usize]).collect::<Vec<_>>());
            let width = vectors.width();
            let beside = Beside { labels, align_to };
            let places = self.recipe.places(self.function, values, width, beside, work)?;
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

impl Beside {
    /// What tells equal rows apart: without it, their order would. Unlabelled ones come first.
    fn ties(&self) -> Option<Vec<u32>> {
        if let Some(labels) = &self.labels {
            return Some(labels.iter().map(|label| label.map_or(0, |label| label + 1)).collect());
        }
        let places = self.align_to.as_ref()?.as_chunks::<DIMS>().0;
        // No more rows are kept than u32 counts.
        let mut order: Vec<u32> = (0..places.len() as u32).collect();
        let key = |row: &u32| places[*row as usize].map(f32::to_bits);
        order.sort_unstable_by_key(key);
        let mut ties = vec![0; places.len()];
        for (rank, row) in (0u32..).zip(order) {
            ties[row as usize] = rank;
        }
        Some(ties)
    }

    /// The same of rows in another order.
    fn arranged(self, order: &[u32]) -> Self {
        let labels = self
            .labels
            .map(|labels| order.iter().map(|row| labels[*row as usize]).collect::<Vec<_>>());
        let mut align_to = self.align_to;
        align_to.iter_mut().for_each(|places| arrange(places, DIMS, order));
        Self { labels, align_to }
    }
}

impl Recipe {
    /// Whether rows' densities are to be seen on the map.
    fn counts_densities(&self) -> bool {
        matches!(&self.layout, Layout::Umap(umap) if umap.density > 0.0)
    }

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

    /// About how much memory a map takes: the rows, as they are and as the graph wants them, its
    /// neighbours with what is made of them, and places.
    fn bytes(&self, rows: usize, width: usize) -> usize {
        let copies = if matches!(self.layout, Layout::Principal) { 1 } else { 2 };
        let vectors = width.saturating_mul(4 * copies);
        let edges = looked_for(self.neighbours(rows), rows).saturating_mul(56);
        vectors.saturating_add(edges).saturating_add(96).saturating_mul(rows)
    }

    /// Where rows lie, in their order.
    fn places(
        &self,
        function: &str,
        mut values: Vec<f32>,
        width: usize,
        beside: Beside,
        work: &Work,
    ) -> portolan_kernels::Result<Vec<[f32; DIMS]>> {
        let whole = || portolan_kernels::Error::Shape("rows are not whole".to_string());
        let given = Rows::new(&values, width).ok_or_else(whole)?;
        let count = given.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let order = canonical(given, beside.ties().as_deref());
        let beside = beside.arranged(&order);
        arrange(&mut values, width, &order);
        let graph = self.graph(function, Rows::new(&values, width).ok_or_else(whole)?, work)?;
        let by_direction =
            self.metric == Metric::Cosine && !matches!(self.layout, Layout::Principal);
        if by_direction {
            values.chunks_exact_mut(width).for_each(normalise);
        }
        let rows = Rows::new(&values, width).ok_or_else(whole)?;
        let map = self.lay_out(rows, &graph, beside, work)?;
        let mut places = vec![[0.0; DIMS]; count];
        for (row, place) in order.iter().zip(map.as_chunks::<DIMS>().0) {
            places[*row as usize] = *place;
        }
        Ok(places)
    }

    /// Where the rows of a partition lie whose neighbours are known, in their order; near to where another
    /// map has them, if there is one.
    pub fn places_of(
        &self,
        of: &Partition,
        graph: &Graph,
        align_to: Option<Vec<[f32; DIMS]>>,
    ) -> portolan_kernels::Result<Vec<[f32; DIMS]>> {
        let rows = of.rows()?;
        let mut values = rows.values().to_vec();
        if self.metric == Metric::Cosine && !matches!(self.layout, Layout::Principal) {
            values.chunks_exact_mut(rows.width()).for_each(normalise);
        }
        let rows = Rows::new(&values, rows.width()).unwrap_or(rows);
        let align_to = align_to.map(|places| places.as_flattened().to_vec());
        let map = self.lay_out(rows, graph, Beside { labels: None, align_to }, of.work)?;
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
        beside: Beside,
        work: &Work,
    ) -> portolan_kernels::Result<Vec<f32>> {
        let count = rows.len();
        let options = pca::Options { components: DIMS, seed: self.seed };
        let start = Pca::fit(rows, &options, work)?.place(rows, work)?;
        if Watch::stopped(work) {
            return Err(portolan_kernels::Error::Stopped);
        }
        match &self.layout {
            Layout::Principal => Ok(turned(start, beside)),
            Layout::Umap(umap) => match beside {
                Beside { align_to: Some(places), .. } => {
                    umap.fit_aligned(graph, &start, &places, work)
                }
                Beside { labels: Some(labels), .. } => {
                    umap.fit_labelled(graph, &start, &labels, work)
                }
                _ => umap.fit(graph, &start, work),
            },
            Layout::BySize(umap, _) if count < MANY => umap.fit(graph, &start, work),
            Layout::BySize(_, nomad) | Layout::Nomad(nomad) => {
                Ok(turned(nomad.fit(graph, rows, &start, work)?, beside))
            }
        }
    }
}

/// A map that knows nothing of another one, brought as near to it as turning, mirroring and shifting do.
fn turned(map: Vec<f32>, beside: Beside) -> Vec<f32> {
    match beside.align_to {
        Some(there) => umap::turned(&map, &there),
        None => map,
    }
}
