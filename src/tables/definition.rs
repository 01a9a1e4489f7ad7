//! What a table promises about its columns, beside their types: keys, defaults, generated columns.
//! It is kept in the metadata of the schema's fields, where other Lance clients leave it alone.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use portolan_udfs::Fingerprint;

const DEFAULT: &str = "portolan:default";
const GENERATED: &str = "portolan:generated";
const PRIMARY_KEY: &str = "lance-schema:unenforced-primary-key";
const PRIMARY_KEY_POSITION: &str = "lance-schema:unenforced-primary-key:position";
const TABLE_ID: &str = "portolan:id";

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnRole {
    /// From the statement, or NULL.
    Plain,
    /// From the statement, or this expression.
    Default(String),
    /// Always from this expression over the row's other columns.
    Generated(String),
}

/// A table's columns and promises.
#[derive(Debug, Clone)]
pub struct Definition {
    schema: SchemaRef,
}

impl Definition {
    /// The definition that a stored schema carries.
    pub fn of(schema: SchemaRef) -> Self {
        Self { schema }
    }

    /// A new table's definition: `columns` in order, `primary_key` by name.
    pub fn new(columns: Vec<(Field, ColumnRole)>, primary_key: &[String]) -> Self {
        Self::with_id(columns, primary_key, uuid::Uuid::new_v4().to_string())
    }

    /// A definition that takes the place of the table with this id.
    pub fn with_id(columns: Vec<(Field, ColumnRole)>, primary_key: &[String], id: String) -> Self {
        let fields = columns.into_iter().map(|(field, role)| {
            let mut metadata =
                Fingerprint::of(&field).map(|made| made.metadata()).unwrap_or_default();
            match role {
                ColumnRole::Plain => {}
                ColumnRole::Default(expression) => {
                    metadata.insert(DEFAULT.to_string(), expression);
                }
                ColumnRole::Generated(expression) => {
                    metadata.insert(GENERATED.to_string(), expression);
                }
            }
            let position = primary_key.iter().position(|name| name == field.name());
            if let Some(position) = position {
                metadata.insert(PRIMARY_KEY.to_string(), "true".to_string());
                metadata.insert(PRIMARY_KEY_POSITION.to_string(), (position + 1).to_string());
            }
            let nullable = field.is_nullable() && position.is_none();
            field.with_nullable(nullable).with_metadata(metadata)
        });
        let metadata = HashMap::from([(TABLE_ID.to_string(), id)]);
        Self { schema: Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata)) }
    }

    /// The same with another field of a name that it has.
    pub fn with_field(self, field: Field) -> Self {
        let fields = self.schema.fields().iter().map(|old| {
            if old.name() == field.name() { Arc::new(field.clone()) } else { old.clone() }
        });
        let fields: Vec<_> = fields.collect();
        let metadata = self.schema.metadata().clone();
        Self { schema: Arc::new(Schema::new_with_metadata(fields, metadata)) }
    }

    /// The Arrow schema with all metadata.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Told apart by it: a table from another of the same name that was made later.
    pub fn id(schema: &HashMap<String, String>) -> Option<&str> {
        schema.get(TABLE_ID).map(String::as_str)
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Field> {
        self.schema.field_with_name(name).ok()
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// The names of the key's columns, in the key's order.
    pub fn primary_key(&self) -> Vec<String> {
        let mut key: Vec<(usize, String)> = self
            .schema
            .fields()
            .iter()
            .filter(|field| field.metadata().get(PRIMARY_KEY).is_some_and(|value| value == "true"))
            .map(|field| {
                let position = field.metadata().get(PRIMARY_KEY_POSITION);
                (position.and_then(|text| text.parse().ok()).unwrap_or(0), field.name().clone())
            })
            .collect();
        key.sort();
        key.into_iter().map(|(_, name)| name).collect()
    }

    /// Where the key's columns are among the table's, in the key's order.
    pub fn key_columns(&self) -> Vec<usize> {
        self.primary_key().iter().filter_map(|name| self.schema.index_of(name).ok()).collect()
    }

    /// Where a column's values come from.
    pub fn role(field: &Field) -> ColumnRole {
        let metadata = field.metadata();
        match (metadata.get(GENERATED), metadata.get(DEFAULT)) {
            (Some(expression), _) => ColumnRole::Generated(expression.clone()),
            (None, Some(expression)) => ColumnRole::Default(expression.clone()),
            (None, None) => ColumnRole::Plain,
        }
    }

    /// The metadata entry that gives a column a default, or takes it away.
    pub fn default_entry(expression: Option<String>) -> (&'static str, Option<String>) {
        (DEFAULT, expression)
    }

    /// The generated columns with their expressions.
    pub fn generated(&self) -> impl Iterator<Item = (&Field, String)> {
        self.schema.fields().iter().filter_map(|field| match Self::role(field) {
            ColumnRole::Generated(expression) => Some((field.as_ref(), expression)),
            _ => None,
        })
    }

    /// The type as SQL writes it: `VECTOR(3)`, `BIGINT`, `TEXT`, …
    pub fn sql_type(data_type: &DataType) -> String {
        match data_type {
            DataType::FixedSizeList(item, n) if item.data_type() == &DataType::Float32 => {
                format!("VECTOR({n})")
            }
            DataType::FixedSizeList(item, n) if item.data_type() == &DataType::Float16 => {
                format!("HALFVEC({n})")
            }
            DataType::Boolean => "BOOLEAN".to_string(),
            DataType::Int8 => "TINYINT".to_string(),
            DataType::Int16 => "SMALLINT".to_string(),
            DataType::Int32 => "INT".to_string(),
            DataType::Int64 => "BIGINT".to_string(),
            DataType::UInt8 => "TINYINT UNSIGNED".to_string(),
            DataType::UInt16 => "SMALLINT UNSIGNED".to_string(),
            DataType::UInt32 => "INT UNSIGNED".to_string(),
            DataType::UInt64 => "BIGINT UNSIGNED".to_string(),
            DataType::Float32 => "REAL".to_string(),
            DataType::Float64 => "DOUBLE".to_string(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT".to_string(),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".to_string(),
            DataType::Date32 | DataType::Date64 => "DATE".to_string(),
            DataType::Time32(_) | DataType::Time64(_) => "TIME".to_string(),
            DataType::Timestamp(_, None) => "TIMESTAMP".to_string(),
            DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_string(),
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                format!("DECIMAL({precision}, {scale})")
            }
            DataType::List(item) | DataType::LargeList(item) => {
                format!("{}[]", Self::sql_type(item.data_type()))
            }
            other => other.to_string(),
        }
    }
}
