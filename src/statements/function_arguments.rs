//! `embed_text(t, dims => 256)`: arguments of functions by name, with gaps, which the planner does
//! not understand. They are put in their places, with NULL in the gaps, before it sees them.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArguments, ObjectNamePart, VisitMut, VisitorMut,
};

use crate::error::{Error, Result};
use crate::statements::named_arguments::Signature;

/// Functions whose arguments can be named.
static FUNCTIONS: &[Signature] = &[
    Signature { function: "accuracy", required: &["pred", "truth"], optional: &[] },
    Signature {
        function: "average_precision",
        required: &["score", "truth"],
        optional: &["positive"],
    },
    Signature {
        function: "best_threshold",
        required: &["score", "truth"],
        optional: &["precision", "positive"],
    },
    Signature {
        function: "boundary",
        required: &["v", "label"],
        optional: &["k", "metric", "seed"],
    },
    Signature {
        function: "chunk_text",
        required: &["text", "max_tokens"],
        optional: &["overlap", "model"],
    },
    Signature {
        function: "class_overlap",
        required: &["v", "label"],
        optional: &["k", "metric", "seed"],
    },
    Signature {
        function: "cluster_id",
        required: &["v"],
        optional: &["n_clusters", "noise", "metric", "seed"],
    },
    Signature { function: "classify", required: &["v", "classifier"], optional: &[] },
    Signature { function: "confusion", required: &["pred", "truth"], optional: &[] },
    Signature { function: "count_tokens", required: &["text"], optional: &["model"] },
    Signature { function: "drift", required: &["a", "b"], optional: &["metric", "seed"] },
    Signature { function: "duplicates", required: &["v"], optional: &["id", "cutoff"] },
    Signature { function: "embed_image", required: &["image"], optional: &["dims", "model"] },
    Signature {
        function: "embed_text",
        required: &["text"],
        optional: &["task", "dims", "model", "long_text"],
    },
    Signature { function: "f1", required: &["pred", "truth"], optional: &["average", "positive"] },
    Signature { function: "knn_accuracy", required: &["v", "label"], optional: &["k", "seed"] },
    Signature {
        function: "label_issue",
        required: &["v", "label"],
        optional: &["folds", "metric"],
    },
    Signature {
        function: "map_xy",
        required: &["v"],
        optional: &["n_neighbors", "n_epochs", "metric", "seed"],
    },
    Signature {
        function: "neighborhood_preservation",
        required: &["v", "xy"],
        optional: &["k", "metric", "seed"],
    },
    Signature { function: "neighbors", required: &["v", "id"], optional: &["k", "metric", "seed"] },
    Signature {
        function: "nomad_xy",
        required: &["v"],
        optional: &[
            "n_neighbors",
            "n_epochs",
            "spread",
            "local_neighborhood_size",
            "rho",
            "seed",
            "metric",
        ],
    },
    Signature { function: "outlier_score", required: &["v"], optional: &["k", "metric", "seed"] },
    Signature { function: "pca_xy", required: &["v"], optional: &[] },
    Signature {
        function: "precision",
        required: &["pred", "truth"],
        optional: &["average", "positive"],
    },
    Signature { function: "random_triplet", required: &["v", "xy"], optional: &["metric", "seed"] },
    Signature {
        function: "recall",
        required: &["pred", "truth"],
        optional: &["average", "positive"],
    },
    Signature { function: "roc_auc", required: &["score", "truth"], optional: &["positive"] },
    Signature { function: "set_drift", required: &["v", "side"], optional: &["metric"] },
    Signature { function: "silhouette", required: &["v", "label"], optional: &["metric", "seed"] },
    Signature {
        function: "topic_label",
        required: &["v"],
        optional: &["text", "depth", "n_topics", "metric", "seed", "label"],
    },
    Signature {
        function: "topics",
        required: &["v"],
        optional: &["text", "n_topics", "metric", "seed", "label"],
    },
    Signature {
        function: "trustworthiness",
        required: &["v", "xy"],
        optional: &["k", "metric", "seed"],
    },
    Signature {
        function: "umap_xy",
        required: &["v"],
        optional: &[
            "n_neighbors",
            "min_dist",
            "n_epochs",
            "metric",
            "seed",
            "label",
            "densmap",
            "align_to",
            "spread",
            "target_weight",
        ],
    },
    Signature { function: "uniqueness", required: &["v"], optional: &["metric", "seed"] },
];

/// Puts named arguments in their places, in a whole statement.
pub fn rewrite(statement: &mut Statement) -> Result<()> {
    visit(statement, &mut Places)
}

/// Puts named arguments in their places, in an expression.
pub fn rewrite_expression(expression: &mut Expr) -> Result<()> {
    done(expression.visit(&mut Places))
}

/// Shows a visitor all of a statement that has names in it.
pub fn visit(
    statement: &mut Statement,
    visitor: &mut impl VisitorMut<Break = Error>,
) -> Result<()> {
    match statement {
        Statement::Statement(statement) => done(statement.visit(visitor)),
        Statement::Explain(explain) => visit(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => done(query.visit(visitor)),
            CopyToSource::Relation(_) => Ok(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => Ok(()),
    }
}

fn done(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Places;

impl VisitorMut for Places {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Function(call) = expr else { return ControlFlow::Continue(()) };
        let FunctionArguments::List(list) = &mut call.args else {
            return ControlFlow::Continue(());
        };
        let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let known = |signature: &&Signature| signature.function.eq_ignore_ascii_case(&name.value);
        let Some(signature) = FUNCTIONS.iter().find(known) else {
            return ControlFlow::Continue(());
        };
        if list.args.iter().all(|argument| matches!(argument, FunctionArg::Unnamed(_))) {
            return ControlFlow::Continue(());
        }
        match signature.bind(&list.args) {
            Ok(arguments) => {
                list.args = arguments.positional();
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::parse::{Kind, parse};
    use crate::statements::split::split;
    use datafusion::common::config::Dialect;

    fn rewritten(text: &str) -> Result<String> {
        let Kind::Sql(mut statement) = parse(&split(text)[0], Dialect::Generic, 50)? else {
            panic!("not a query");
        };
        rewrite(&mut statement)?;
        Ok(statement.to_string())
    }

    #[test]
    fn gaps_become_null() {
        for (text, expected) in [
            ("SELECT embed_text(t, dims => 256)", "SELECT embed_text(t, NULL, 256)"),
            (
                "SELECT EMBED_TEXT(model => 'm', text => t) FROM u",
                "SELECT EMBED_TEXT(t, NULL, NULL, 'm') FROM u",
            ),
            (
                "SELECT a FROM u WHERE count_tokens(t, model => 'm') > 3",
                "SELECT a FROM u WHERE count_tokens(t, 'm') > 3",
            ),
            ("SELECT embed_text(t, 'clustering')", "SELECT embed_text(t, 'clustering')"),
            ("SELECT other(a => 1)", "SELECT other(a => 1)"),
            (
                "SELECT umap_xy(v, seed => 7, n_neighbors => 5) OVER (PARTITION BY lang) FROM u",
                "SELECT umap_xy(v, 5, NULL, NULL, NULL, 7) OVER (PARTITION BY lang) FROM u",
            ),
            (
                "SELECT trustworthiness(v, xy, metric => 'l2') FROM u GROUP BY lang",
                "SELECT trustworthiness(v, xy, NULL, 'l2') FROM u GROUP BY lang",
            ),
        ] {
            assert_eq!(rewritten(text).unwrap(), expected);
        }
    }

    #[test]
    fn a_name_that_is_wrong_is_named() {
        let error = rewritten("SELECT embed_text(t, dim => 256)").unwrap_err().to_string();
        assert!(error.contains("did you mean 'dims'"), "{error}");
    }
}
