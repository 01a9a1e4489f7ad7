//! `project_xy(v, map)` and `topic_of(v, map)`: where a vector lies on a stored map, and its topic there.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float32Array, StringArray, StructArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature,
};
use portolan_kernels::rows::Rows;

use super::arguments::{self, Arguments};
use super::vectors;
use crate::fingerprint::Fingerprint;
use crate::map::{Ground, Maps};
use crate::rows::{Gathered, Vectors};
use crate::statement::how_many;
use crate::vector::operand::{coerced, dims_of};
use crate::work::Work;

/// Depths that a map has at most.
const DEEPEST: i64 = 3;

/// One of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    Place,
    Topic,
}

/// The function.
#[derive(Debug, Clone)]
pub struct OnMap {
    asked: Asked,
    maps: Arc<dyn Maps>,
    /// The map of one call, from when it is planned: a statement sees one and the same.
    bound: Option<Arc<Ground>>,
    signature: Signature,
}

impl PartialEq for OnMap {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<Ground>, &Arc<Ground>)| Arc::ptr_eq(one, other);
        self.asked == other.asked
            && Arc::ptr_eq(&self.maps, &other.maps)
            && self.bound.is_some() == other.bound.is_some()
            && self.bound.as_ref().zip(other.bound.as_ref()).is_none_or(same)
    }
}

impl Eq for OnMap {}

impl Hash for OnMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked.hash(state);
        self.bound.as_ref().map(|bound| bound.name()).hash(state);
    }
}

impl OnMap {
    /// Both, with the maps of a session.
    pub fn all(maps: &Arc<dyn Maps>) -> [Self; 2] {
        [Asked::Place, Asked::Topic].map(|asked| {
            let signature = arguments::signature(asked.parameters());
            Self { asked, maps: maps.clone(), bound: None, signature }
        })
    }

    fn map(&self, constants: &[Option<&ScalarValue>]) -> Result<Arc<Ground>> {
        if let Some(bound) = &self.bound {
            return Ok(bound.clone());
        }
        match Arguments::new(self.asked.name(), self.asked.parameters(), constants).text("map")? {
            Some(name) => self.maps.map(name),
            None => plan_err!("{}: map is the name of one, not NULL", self.asked.name()),
        }
    }

    /// The depth of the topics that are asked for.
    fn depth(&self, map: &Ground, constants: &[Option<&ScalarValue>]) -> Result<usize> {
        let arguments = Arguments::new(self.asked.name(), self.asked.parameters(), constants);
        let depth = match self.asked {
            Asked::Place => return Ok(0),
            Asked::Topic => arguments.whole("depth")?.unwrap_or(1),
        };
        let Some(depth) = usize::try_from(depth).ok().filter(|_| (1..=DEEPEST).contains(&depth))
        else {
            return plan_err!("topic_of: depth is a whole number from 1 to {DEEPEST}, not {depth}");
        };
        match map.depths() {
            0 => plan_err!(
                "topic_of: map '{0}' was made without topics; CREATE OR REPLACE MAP {0} … WITH (topics = true) makes it with them",
                map.name()
            ),
            depths if depth > depths => plan_err!(
                "topic_of: the topics of map '{}' have {depths} depths, not {depth}",
                map.name()
            ),
            _ => Ok(depth),
        }
    }

    fn check(&self, map: &Ground, field: &Field) -> Result<()> {
        if let Some(dims) = dims_of(field.data_type()).filter(|dims| *dims != map.dims()) {
            return plan_err!("{}", self.other_length(map, dims));
        }
        let (Some(theirs), Some(ours)) = (Fingerprint::of(field), map.fingerprint()) else {
            return Ok(());
        };
        if theirs.agrees_with(ours) {
            return Ok(());
        }
        plan_err!(
            "{}: v holds vectors of {theirs}, map '{}' is of those of {ours}; embed with one model",
            self.asked.name(),
            map.name()
        )
    }

    fn other_length(&self, map: &Ground, dims: usize) -> String {
        format!(
            "{}: v has {dims} dimensions, map '{}' is of vectors of {}",
            self.asked.name(),
            map.name(),
            map.dims()
        )
    }

    /// What is asked of a column.
    fn answers(
        &self,
        map: &Ground,
        given: &ArrayRef,
        depth: usize,
        work: &Work,
    ) -> Result<ArrayRef> {
        let count = given.len();
        let vectors = Vectors::new(self.asked.name(), "v", given)?;
        let Gathered { mut values, kept, .. } =
            Gathered::new(&[&vectors], map.by_direction(), None);
        let values = values.pop().unwrap_or_default();
        if !kept.is_empty() && vectors.width() != map.dims() {
            return exec_err!("{}", self.other_length(map, vectors.width()));
        }
        let Some(rows) = Rows::new(&values, vectors.width()) else {
            return internal_err!("{}: vectors are not whole", self.asked.name());
        };
        match self.asked {
            Asked::Place => {
                let found = match rows.is_empty() {
                    true => Vec::new(),
                    false => vectors::aside(|| map.places(rows, work))?,
                };
                let (mut x, mut y) = (vec![0.0; count], vec![0.0; count]);
                let mut valid = vec![false; count];
                for (row, place) in kept.iter().zip(found) {
                    let row = *row as usize;
                    (x[row], y[row], valid[row]) = (place[0], place[1], true);
                }
                let columns: Vec<ArrayRef> =
                    vec![Arc::new(Float32Array::from(x)), Arc::new(Float32Array::from(y))];
                Ok(Arc::new(StructArray::try_new(axes(), columns, Some(NullBuffer::from(valid)))?))
            }
            Asked::Topic => {
                let found = match rows.is_empty() {
                    true => Vec::new(),
                    false => vectors::aside(|| map.topics(rows, depth, work))?,
                };
                let mut topics = vec![None; count];
                for (row, topic) in kept.iter().zip(found) {
                    topics[*row as usize] = topic;
                }
                Ok(Arc::new(StringArray::from(topics)))
            }
        }
    }
}

impl Asked {
    fn name(self) -> &'static str {
        match self {
            Self::Place => "project_xy",
            Self::Topic => "topic_of",
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Place => &["v", "map"],
            Self::Topic => &["v", "map", "depth"],
        }
    }
}

fn axes() -> Fields {
    ["x", "y"].into_iter().map(|axis| Field::new(axis, DataType::Float32, true)).collect()
}

impl ScalarUDFImpl for OnMap {
    fn name(&self) -> &str {
        self.asked.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let parameters = self.asked.parameters();
        let (Some(given), true) = (types.first(), (2..=parameters.len()).contains(&types.len()))
        else {
            return plan_err!(
                "{} takes {} arguments ({}), not {}",
                self.asked.name(),
                how_many(2, parameters.len()),
                parameters.join(", "),
                types.len()
            );
        };
        let wanted = [given.clone(), DataType::Utf8, DataType::Int64];
        let mut all = arguments::coerce(self.asked.name(), parameters, &wanted, types)?;
        if let Some(first) = all.first_mut() {
            *first = coerced(self.asked.name(), given)?;
        }
        Ok(all)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("{} says its type by its arguments", self.asked.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let map = self.map(args.scalar_arguments)?;
        self.depth(&map, args.scalar_arguments)?;
        let Some(given) = args.arg_fields.first() else {
            return internal_err!("{} without a vector", self.asked.name());
        };
        self.check(&map, given)?;
        let kind = match self.asked {
            Asked::Place => DataType::Struct(axes()),
            Asked::Topic => DataType::Utf8,
        };
        Ok(Arc::new(Field::new(self.asked.name(), kind, true)))
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let name = match args.get(1) {
            Some(Expr::Literal(name, _)) if self.bound.is_none() => name,
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        let bound = Some(self.map(&[None, Some(name)])?);
        let function = ScalarUDF::new_from_impl(Self { bound, ..self.clone() });
        let call = ScalarFunction::new_udf(Arc::new(function), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constants = arguments::constants(&args.args);
        let map = self.map(&constants)?;
        let depth = self.depth(&map, &constants)?;
        let Some(given) = args.args.first() else {
            return internal_err!("{} without a vector", self.asked.name());
        };
        let is_scalar = matches!(given, ColumnarValue::Scalar(_));
        let given = given.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let work = args.config_options.extensions.get::<Work>().cloned().unwrap_or_default();
        let answers = self.answers(&map, &given, depth, &work)?;
        work.end_stage();
        vectors::value(answers, is_scalar)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.asked {
            Asked::Place => place_documentation(),
            Asked::Topic => topic_documentation(),
        })
    }
}

fn section() -> DocSection {
    DocSection { include: true, label: "Maps", description: None }
}

fn place_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            section(),
            "Where a vector lies on a map of CREATE MAP: struct(x, y), among the rows of the map that it is nearest to, as REFRESH MAP places a new row. One that the map has lies where it lies there. What is said of a vector does not depend on the other rows of the statement. NULL for NULL, and for a vector of zeros where directions are compared.",
            "project_xy(v, map)",
        )
        .with_sql_example(
            "```sql\nSELECT project_xy(embed_text('cheap flights', 'clustering'), 'reviews_map');\n```",
        )
        .with_argument("v", "A vector of the length, and of the model, that the map is of.")
        .with_argument("map", "Its name; a constant.")
        .build()
    });
    &DOCUMENTATION
}

fn topic_documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            section(),
            "The topic of a vector on a map of CREATE MAP: that of most of the rows of the map that it is nearest to, below it that of most of those under the same topic. NULL for NULL, and for a vector of zeros where directions are compared.",
            "topic_of(v, map [, depth])",
        )
        .with_sql_example(
            "```sql\nSELECT topic_of(embedding, 'reviews_map'), count(*) FROM questions GROUP BY 1;\n```",
        )
        .with_argument("v", "A vector of the length, and of the model, that the map is of.")
        .with_argument("map", "Its name; a constant.")
        .with_argument("depth", "1 for the most general topics, up to 3; a constant.")
        .build()
    });
    &DOCUMENTATION
}
