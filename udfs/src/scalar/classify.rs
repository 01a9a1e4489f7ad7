//! `classify(v, classifier)`: what a stored classifier says of a vector.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int64Array, StringArray, StructArray};
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
use super::vectors::{self, kernel_failure};
use crate::classifier::{Classifier, Classifiers, Verdict};
use crate::fingerprint::Fingerprint;
use crate::labels::Label;
use crate::shortened::shortened;
use crate::vector::operand::{coerced, dense, dims_of};
use crate::work::Work;

/// The parameters, in their order.
pub const PARAMETERS: &[&str] = &["v", "classifier"];

/// The function.
#[derive(Debug, Clone)]
pub struct Classify {
    classifiers: Arc<dyn Classifiers>,
    /// The classifier of one call, from when it is planned: a statement sees one and the same.
    bound: Option<Arc<Classifier>>,
    signature: Signature,
}

impl PartialEq for Classify {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&Arc<Classifier>, &Arc<Classifier>)| Arc::ptr_eq(one, other);
        Arc::ptr_eq(&self.classifiers, &other.classifiers)
            && self.bound.is_some() == other.bound.is_some()
            && self.bound.as_ref().zip(other.bound.as_ref()).is_none_or(same)
    }
}

impl Eq for Classify {}

impl Hash for Classify {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bound.as_ref().map(|bound| bound.name()).hash(state);
    }
}

impl Classify {
    /// With the classifiers of a session.
    pub fn new(classifiers: Arc<dyn Classifiers>) -> Self {
        Self { classifiers, bound: None, signature: arguments::signature(PARAMETERS) }
    }

    fn classifier(&self, constants: &[Option<&ScalarValue>]) -> Result<Arc<Classifier>> {
        if let Some(bound) = &self.bound {
            return Ok(bound.clone());
        }
        match Arguments::new("classify", PARAMETERS, constants).text("classifier")? {
            Some(name) => self.classifiers.classifier(name),
            None => plan_err!("classify: classifier is the name of one, not NULL"),
        }
    }
}

fn fields(label: DataType) -> Fields {
    Fields::from(vec![
        Field::new("label", label, true),
        Field::new("score", DataType::Float32, true),
        Field::new("margin", DataType::Float32, true),
    ])
}

/// An error unless a classifier knows such vectors.
fn check(classifier: &Classifier, field: &Field) -> Result<()> {
    let facts = classifier.facts();
    if let Some(dims) = dims_of(field.data_type()).filter(|dims| *dims != facts.dims) {
        return plan_err!("{}", other_length(classifier, field.name(), dims));
    }
    let (Some(theirs), Some(ours)) = (Fingerprint::of(field), &facts.fingerprint) else {
        return Ok(());
    };
    if theirs.agrees_with(ours) {
        return Ok(());
    }
    plan_err!(
        "classify: '{}' holds vectors of {theirs}, classifier '{}' knows those of {ours}; embed with one model, or make the classifier anew",
        shortened(field.name()),
        classifier.name()
    )
}

fn other_length(classifier: &Classifier, vectors: &str, dims: usize) -> String {
    format!(
        "classify: '{}' has {dims} dimensions, classifier '{}' knows vectors of {}",
        shortened(vectors),
        classifier.name(),
        classifier.facts().dims
    )
}

impl ScalarUDFImpl for Classify {
    fn name(&self) -> &str {
        "classify"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [given, name] = types else {
            return plan_err!("classify takes 2 arguments (v, classifier), not {}", types.len());
        };
        if !name.is_string() && !name.is_null() {
            return plan_err!(
                "classify: classifier is the name of one, as 'digits', not {}",
                arguments::type_name(name)
            );
        }
        Ok(vec![coerced("classify", given)?, DataType::Utf8])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("classify says its type by its arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let classifier = self.classifier(args.scalar_arguments)?;
        let Some(given) = args.arg_fields.first() else {
            return internal_err!("classify without a vector");
        };
        check(&classifier, given)?;
        let kind = DataType::Struct(fields(classifier.label_type()));
        Ok(Arc::new(Field::new(self.name(), kind, true)))
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let name = match args.get(1) {
            Some(Expr::Literal(name, _)) if self.bound.is_none() => name,
            _ => return Ok(ExprSimplifyResult::Original(args)),
        };
        let bound = Some(self.classifier(&[None, Some(name)])?);
        let function = ScalarUDF::new_from_impl(Self { bound, ..self.clone() });
        let call = ScalarFunction::new_udf(Arc::new(function), args);
        Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let classifier = self.classifier(&arguments::constants(&args.args))?;
        if args.return_type() != &DataType::Struct(fields(classifier.label_type())) {
            return exec_err!(
                "classify: classifier '{}' was replaced while the statement ran; run it again",
                classifier.name()
            );
        }
        let Some(given) = args.args.first() else {
            return internal_err!("classify without a vector");
        };
        let is_scalar = matches!(given, ColumnarValue::Scalar(_));
        let given = given.to_array(if is_scalar { 1 } else { args.number_rows })?;
        let work = args.config_options.extensions.get::<Work>().cloned().unwrap_or_default();
        vectors::value(verdicts(&classifier, &given, &work)?, is_scalar)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(documentation())
    }
}

/// What a classifier says of a column.
fn verdicts(classifier: &Classifier, given: &ArrayRef, work: &Work) -> Result<ArrayRef> {
    let dense = dense("classify", given, None)?;
    let valid = |row: usize| dense.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let found: Vec<Option<Verdict>> = if (0..given.len()).any(valid) {
        if dense.dims != classifier.facts().dims {
            return exec_err!("{}", other_length(classifier, "v", dense.dims));
        }
        let values = dense.values.full();
        let Some(rows) = Rows::new(&values, dense.dims) else {
            return internal_err!("classify: vectors are not whole");
        };
        let found = vectors::aside(|| classifier.judge(rows, work)).map_err(kernel_failure)?;
        let known = found.into_iter().enumerate();
        known.map(|(row, verdict)| verdict.filter(|_| valid(row))).collect()
    } else {
        vec![None; given.len()]
    };
    let classes = &classifier.facts().classes;
    let labels = || found.iter().map(|verdict| classes.get((*verdict)?.class? as usize));
    let label: ArrayRef = match classifier.label_type() {
        DataType::Boolean => Arc::new(
            labels()
                .map(|label| match label {
                    Some(Label::Truth(truth)) => Some(*truth),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        DataType::Int64 => Arc::new(
            labels()
                .map(|label| match label {
                    Some(Label::Whole(number)) => Some(*number),
                    _ => None,
                })
                .collect::<Int64Array>(),
        ),
        _ => Arc::new(
            labels()
                .map(|label| match label {
                    Some(Label::Text(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
    };
    let number = |of: fn(&Verdict) -> Option<f32>| -> ArrayRef {
        Arc::new(found.iter().map(|verdict| of(verdict.as_ref()?)).collect::<Float32Array>())
    };
    let columns =
        vec![label, number(|verdict| Some(verdict.score)), number(|verdict| verdict.margin)];
    let nulls: NullBuffer = found.iter().map(Option::is_some).collect();
    let fields = fields(classifier.label_type());
    Ok(Arc::new(StructArray::try_new(fields, columns, Some(nulls))?))
}

fn documentation() -> &'static Documentation {
    static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
        Documentation::builder(
            DocSection { include: true, label: "Classifiers", description: None },
            "What a classifier of CREATE CLASSIFIER says of a vector: struct(label, score, margin). Of two classes, score is the probability of the positive one (with USING TEXT the cosine with the text) and margin the score less the threshold; of more, score is that of the label and margin what it has before the second best. NULL for NULL, and for a vector of zeros where directions are compared.",
            "classify(v, classifier)",
        )
        .with_sql_example(
            "```sql\nSELECT id, classify(pixels, 'digits')['label'] FROM test;\n```",
        )
        .with_argument("v", "A vector of the length, and of the model, that the classifier knows.")
        .with_argument("classifier", "Its name; a constant.")
        .build()
    });
    &DOCUMENTATION
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::{Facts, Method, Weights};

    /// Says whether a vector points to the right.
    fn right(fingerprint: Option<Fingerprint>) -> Classifier {
        let facts = Facts {
            method: Method::Text,
            dims: 2,
            classes: vec![Label::Truth(false), Label::Truth(true)],
            positive: Some(1),
            threshold: Some(0.5),
            unit: true,
            k: None,
            texts: vec!["right".to_string()],
            rows: None,
            source: String::new(),
            fingerprint,
            held: None,
            created: 0,
        };
        let weights = Weights { lines: vec![2.0, 0.0], ..Weights::default() };
        Classifier::new("right", facts, &weights).unwrap()
    }

    fn print(model: &str) -> Fingerprint {
        Fingerprint {
            model: model.to_string(),
            revision: None,
            space: None,
            recipe: 1,
            task: None,
            dims: 2,
        }
    }

    #[test]
    fn rows_are_judged_and_those_without_a_direction_are_not() {
        let rows = [Some([3.0, 0.0]), None, Some([0.0, 1.0]), Some([0.0, 0.0])];
        let rows = rows.map(|row: Option<[f32; 2]>| row.map(|row| row.map(Some)));
        let rows: ArrayRef = Arc::new(arrow::array::FixedSizeListArray::from_iter_primitive::<
            arrow::datatypes::Float32Type,
            _,
            _,
        >(rows, 2));
        let found = verdicts(&right(None), &rows, &Work::default()).unwrap();
        let shown = |row| ScalarValue::try_from_array(&found, row).unwrap().to_string();
        assert_eq!(shown(0), "{label:true,score:1.0,margin:0.5}");
        assert_eq!(shown(2), "{label:false,score:0.0,margin:-0.5}");
        assert!(found.is_null(1) && found.is_null(3));
    }

    #[test]
    fn vectors_of_two_models_do_not_meet() {
        let kind = vectors::vector_type(2).unwrap();
        let field = |model| print(model).mark(Field::new("v", kind.clone(), true));
        let classifier = right(Some(print("one")));
        check(&classifier, &field("one")).unwrap();
        check(&classifier, &Field::new("v", kind.clone(), true)).unwrap();
        check(&right(None), &field("two")).unwrap();
        let error = check(&classifier, &field("two")).unwrap_err().to_string();
        assert!(
            error.contains("'v' holds vectors of two, classifier 'right' knows those of one"),
            "{error}"
        );
        let long = Field::new("v", vectors::vector_type(3).unwrap(), true);
        let error = check(&classifier, &long).unwrap_err().to_string();
        assert!(
            error.contains("'v' has 3 dimensions, classifier 'right' knows vectors of 2"),
            "{error}"
        );
    }
}
