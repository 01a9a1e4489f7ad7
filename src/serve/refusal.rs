//! What a request gets that is not answered.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use datafusion::error::DataFusionError;
use serde_json::json;

use crate::Error;

/// Why, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    /// Refuses with a status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// What is asked for makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Nothing is here; `there_is` says what is.
    pub fn nowhere(there_is: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is nothing here; see {there_is}"))
    }

    /// Something is here that is asked for in another way.
    pub fn not_that_way(there_is: &str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("not by this method; see {there_is}"))
    }

    /// An error of a map that a client named.
    pub fn of_map(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::ReadOnly(_) => StatusCode::FORBIDDEN,
            Error::Conflict { .. } => StatusCode::CONFLICT,
            Error::Store(_) | Error::Io { .. } | Error::NewerFormat { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Error::Lance(source) if is_of_the_files(source) => StatusCode::INTERNAL_SERVER_ERROR,
            Error::DataFusion { source, .. } => match source.find_root() {
                DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
                _ => StatusCode::BAD_REQUEST,
            },
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

/// Whether the table's files are at fault, and not what was asked of them.
fn is_of_the_files(error: &lance::Error) -> bool {
    use lance::Error as Lance;
    matches!(error, Lance::IO { .. } | Lance::CorruptFile { .. } | Lance::NotFound { .. })
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "authentication_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({"message": self.message, "type": kind, "param": null, "code": null});
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
