//! The sessions in which the suite's files run: what DataFusion's own runner prepares for them,
//! once on plain DataFusion and once on ours.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, DictionaryArray, Float64Array, Int32Array, LargeBinaryArray,
    LargeStringArray, RecordBatch, StringArray, StructArray, TimestampNanosecondArray, UInt32Array,
    UnionArray,
};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit, UInt32Type, UnionFields,
};
use datafusion::catalog::{
    CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider,
    Session, TableProvider,
};
use datafusion::common::cast::as_float64_array;
use datafusion::common::{DataFusionError, Result, not_impl_err};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::functions::math::abs;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    create_udf,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{CsvReadOptions, SessionConfig, SessionContext};
use datafusion::sql::sqlparser::ast;
use portolan::{Database, OpenOptions};

use crate::runner::{Engine, Failure};

const CATALOG: &str = "datafusion";
/// Plans show how many partitions they have.
const PARTITIONS: usize = 4;

/// DataFusion alone.
#[derive(Clone)]
pub struct Plain(SessionContext);

impl Plain {
    pub async fn for_file(file: &Path) -> Self {
        let config = SessionConfig::new().with_target_partitions(PARTITIONS);
        let context = SessionContext::new_with_config(config);
        let context =
            if name(file) == "dynamic_file.slt" { context.enable_url_table() } else { context };
        prepare(&context, file).await;
        Self(context)
    }
}

impl Engine for Plain {
    async fn query(&mut self, sql: &str) -> Result<SendableRecordBatchStream, Failure> {
        let run = async || self.0.sql(sql).await?.execute_stream().await;
        run().await.map_err(Self::failure)
    }

    fn failure(error: DataFusionError) -> Failure {
        Failure(format!("DataFusion error: {}", error.strip_backtrace()))
    }
}

/// A Portolan session.
#[derive(Clone)]
pub struct Ours(Database);

impl Ours {
    pub async fn for_file(file: &Path) -> Self {
        let options = OpenOptions { catalog: CATALOG.to_string(), ..OpenOptions::default() };
        let database = Database::in_memory_with(options).await.unwrap();
        {
            let state = database.context().state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            options.execution.target_partitions = PARTITIONS;
            options.catalog.information_schema = false;
            // The files look for DataFusion's own tables in their plans.
            let _ = options.set("portolan.temporary_tables", "on");
        }
        prepare(database.context(), file).await;
        Self(database)
    }
}

impl Engine for Ours {
    async fn query(&mut self, sql: &str) -> Result<SendableRecordBatchStream, Failure> {
        let result = self.0.sql(sql).await;
        Ok(result.map_err(|error| Self::failure(error.into()))?.into_stream())
    }

    fn failure(error: DataFusionError) -> Failure {
        match portolan::Error::from(error) {
            portolan::Error::DataFusion { source, .. } => Plain::failure(*source),
            other => Failure(format!("DataFusion error: {other}")),
        }
    }
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// The tables, functions and types that a file takes for granted.
async fn prepare(context: &SessionContext, file: &Path) {
    match name(file) {
        "arrow_field.slt" | "metadata.slt" => table_with_metadata(context),
        "async_udf.slt" => {
            let function = AsyncScalarUDF::new(Arc::new(AsyncAbs { inner: abs() }));
            context.register_udf(function.into_scalar_udf());
        }
        "cast_extension_type_metadata.slt" => {
            let state = SessionStateBuilder::new_from_existing(context.state())
                .with_type_planner(Arc::new(UuidTypes))
                .build();
            *context.state_ref().write() = state;
        }
        "cte.slt" => strict_schema(context),
        "dictionary_struct.slt" => dictionary_tables(context),
        "information_schema_columns.slt" => table_with_many_types(context),
        "information_schema_table_types.slt" => {
            let table = Arc::new(TemporaryTable);
            context.register_table(format!("{CATALOG}.public.temp"), table).unwrap();
        }
        "joins.slt" => {
            context.register_udf(example_function());
            partitioned_table(context).await;
            table_with_many_types(context);
        }
        "map.slt" => table_with_map(context),
        "union_function.slt" => union_table(context),
        _ => {}
    }
}

/// `UUID` as a type, with its Arrow extension.
#[derive(Debug)]
struct UuidTypes;

impl TypePlanner for UuidTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let metadata = HashMap::from([("ARROW:extension:name".into(), "arrow.uuid".into())]);
        Ok(matches!(sql_type, ast::DataType::Uuid).then(|| {
            let field = Field::new("", DataType::FixedSizeBinary(16), true);
            Arc::new(field.with_metadata(metadata))
        }))
    }
}

/// A schema that panics when anything but its one table is looked up, as it would be if a common
/// table expression were taken for a table.
#[derive(Debug)]
struct StrictSchema(Arc<dyn TableProvider>);

#[async_trait]
impl SchemaProvider for StrictSchema {
    fn table_names(&self) -> Vec<String> {
        vec!["orders".to_string()]
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        assert_eq!(name, "orders", "a name that is no table was looked up");
        Ok(Some(Arc::clone(&self.0)))
    }

    fn table_exist(&self, name: &str) -> bool {
        name == "orders"
    }
}

fn strict_schema(context: &SessionContext) {
    let schema = Schema::new(vec![Field::new("order_id", DataType::Int32, false)]);
    let orders = table(schema, vec![Arc::new(Int32Array::from(vec![1, 2]))]);
    let catalog = context.catalog(CATALOG).unwrap();
    catalog.register_schema("strict_schema", Arc::new(StrictSchema(orders))).unwrap();
}

fn table(schema: Schema, columns: Vec<ArrayRef>) -> Arc<dyn TableProvider> {
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())
}

/// A folder with one CSV file. It stays until the process ends.
async fn partitioned_table(context: &SessionContext) {
    let schema = Schema::new(vec![
        Field::new("c1", DataType::UInt32, false),
        Field::new("c2", DataType::UInt64, false),
        Field::new("c3", DataType::Boolean, false),
    ]);
    let folder = Path::new("test_files/scratch/joins").canonicalize().unwrap().join("partitions");
    std::fs::create_dir_all(&folder).unwrap();
    let lines: String = (0..=10).map(|i| format!("0,{i},{}\n", i % 2 == 0)).collect();
    std::fs::write(folder.join("partition-0.csv"), lines).unwrap();
    let options = CsvReadOptions::new().schema(&schema);
    context.register_csv("test_partition_table", folder.to_str().unwrap(), options).await.unwrap();
}

#[derive(Debug)]
struct TemporaryTable;

#[async_trait]
impl TableProvider for TemporaryTable {
    fn schema(&self) -> SchemaRef {
        unimplemented!("only its type is looked at")
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        unimplemented!("only its type is looked at")
    }
}

fn table_with_many_types(context: &SessionContext) {
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let schema = Schema::new(vec![
        Field::new("int32_col", DataType::Int32, false),
        Field::new("float64_col", DataType::Float64, true),
        Field::new("utf8_col", DataType::Utf8, true),
        Field::new("large_utf8_col", DataType::LargeUtf8, false),
        Field::new("binary_col", DataType::Binary, false),
        Field::new("large_binary_col", DataType::LargeBinary, false),
        Field::new("timestamp_nanos", nanoseconds, false),
    ]);
    let provider = table(
        schema,
        vec![
            Arc::new(Int32Array::from(vec![1])),
            Arc::new(Float64Array::from(vec![1.0])),
            Arc::new(StringArray::from(vec![Some("foo")])),
            Arc::new(LargeStringArray::from(vec![Some("bar")])),
            Arc::new(BinaryArray::from(vec![b"foo" as &[u8]])),
            Arc::new(LargeBinaryArray::from(vec![b"foo" as &[u8]])),
            Arc::new(TimestampNanosecondArray::from(vec![Some(123)])),
        ],
    );
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("my_schema", Arc::new(MemorySchemaProvider::new())).unwrap();
    context.register_catalog("my_catalog", Arc::new(catalog));
    context.register_table("my_catalog.my_schema.table_with_many_types", provider).unwrap();
}

fn table_with_map(context: &SessionContext) {
    let entry = Fields::from(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("value", DataType::Int64, true),
    ]);
    let entries = Field::new("entries", DataType::Struct(entry), false);
    let schema = Schema::new(vec![
        Field::new("int_field", DataType::Int64, true),
        Field::new("map_field", DataType::Map(Arc::new(entries), false), true),
    ]);
    let provider = MemTable::try_new(Arc::new(schema), vec![vec![]]).unwrap();
    context.register_table("table_with_map", Arc::new(provider)).unwrap();
}

/// Columns and a table with metadata.
fn table_with_metadata(context: &SessionContext) {
    let noted = |note: &str| HashMap::from([("metadata_key".to_string(), note.to_string())]);
    let field = |name: &str, data_type: DataType, nullable: bool, note: &str| {
        Field::new(name, data_type, nullable).with_metadata(noted(note))
    };
    let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let schema = Schema::new(vec![
        field("id", DataType::Int32, true, "the id field"),
        field("name", DataType::Utf8, true, "the name field"),
        field("l_name", DataType::Utf8, true, "the l_name field"),
        field("ts", nanoseconds, false, "ts non-nullable field"),
        field("nonnull_name", DataType::Utf8, false, "the nonnull_name field"),
    ])
    .with_metadata(noted("the entire schema"));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringArray::from(vec![None, Some("bar"), Some("baz")])),
        Arc::new(StringArray::from(vec![None, Some("l_bar"), Some("l_baz")])),
        Arc::new(TimestampNanosecondArray::from(vec![1599572549190855123; 3])),
        Arc::new(StringArray::from(vec!["no_foo", "no_bar", "no_baz"])),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    context.register_batch("table_with_metadata", batch).unwrap();
}

/// `example(a, b)`: the sum of two floats.
fn example_function() -> ScalarUDF {
    let add = |arguments: &[ColumnarValue]| {
        let [ColumnarValue::Array(left), ColumnarValue::Array(right)] = arguments else {
            panic!("example() takes two columns")
        };
        let pairs = as_float64_array(left)?.iter().zip(as_float64_array(right)?.iter());
        let sums: Float64Array = pairs.map(|(left, right)| Some(left? + right?)).collect();
        Ok(ColumnarValue::Array(Arc::new(sums)))
    };
    let float = DataType::Float64;
    let inputs = vec![float.clone(), float.clone()];
    create_udf("example", inputs, float, Volatility::Immutable, Arc::new(add))
}

fn union_table(context: &SessionContext) {
    const INTEGER: i8 = 3;
    const STRING: i8 = 1;
    let fields = vec![
        Field::new("int", DataType::Int32, false),
        Field::new("string", DataType::Utf8, false),
    ];
    let union = UnionArray::try_new(
        UnionFields::try_new(vec![INTEGER, STRING], fields).unwrap(),
        ScalarBuffer::from(vec![INTEGER, STRING, INTEGER]),
        None,
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("foo"), Some("bar"), Some("baz")])),
        ],
    )
    .unwrap();

    let schema = Schema::new(vec![Field::new("union_column", union.data_type().clone(), false)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(union)]).unwrap();
    context.register_batch("union_table", batch).unwrap();
}

/// Structs behind dictionaries, without and with NULLs.
fn dictionary_tables(context: &SessionContext) {
    let fields = Fields::from(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("id", DataType::Int32, false),
    ]);
    let people = |names: Vec<&str>, ids: Vec<i32>| -> ArrayRef {
        let columns: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(names)), Arc::new(Int32Array::from(ids))];
        Arc::new(StructArray::try_new(fields.clone(), columns, None).unwrap())
    };
    let dictionary = |keys: Vec<Option<u32>>, values: ArrayRef| -> ArrayRef {
        let keys = UInt32Array::from(keys);
        Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, values).unwrap())
    };
    let plain_type = DataType::Struct(fields.clone());
    let dictionary_type =
        DataType::Dictionary(Box::new(DataType::UInt32), Box::new(plain_type.clone()));

    let keys = [0, 1, 2, 0, 1].map(Some).to_vec();
    let schema = Schema::new(vec![
        Field::new("dict_struct", dictionary_type.clone(), false),
        Field::new("plain_struct", plain_type, false),
    ]);
    let columns = vec![
        dictionary(keys, people(vec!["Alice", "Bob", "Carol"], vec![1, 2, 3])),
        people(vec!["Alice", "Bob", "Carol", "Alice", "Bob"], vec![1, 2, 3, 1, 2]),
    ];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    context.register_batch("dict_struct_table", batch).unwrap();

    let keys = vec![Some(0), None, Some(1), None];
    let schema = Schema::new(vec![Field::new("ds", dictionary_type, true)]);
    let columns = vec![dictionary(keys, people(vec!["X", "Y"], vec![10, 20]))];
    let batch = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
    context.register_batch("dict_struct_nullable", batch).unwrap();
}

/// `async_abs(x)`: only to be called from an asynchronous plan.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AsyncAbs {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for AsyncAbs {
    fn name(&self) -> &str {
        "async_abs"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, inputs: &[DataType]) -> Result<DataType> {
        self.inner.return_type(inputs)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{} can only be called from async contexts", self.name())
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for AsyncAbs {
    async fn invoke_async_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner.invoke_with_args(arguments)
    }
}
