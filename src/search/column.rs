//! A column of one fragment of a table, read from its files.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::UInt64Type;
use futures::{FutureExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::fragment::FileFragment;
use lance::dataset::scanner::{DatasetRecordBatchStream, Scanner};
use lance_core::ROW_ADDR;

use super::decoded::{Target, Values};
use crate::error::Result;

/// All rows in the order in which they lie there, deleted ones too: the place of a row among them is the low half
/// of its address.
pub async fn all_rows(
    dataset: &Dataset,
    column: &str,
    fragment: &FileFragment,
) -> Result<DatasetRecordBatchStream> {
    let mut scan = scan(dataset, column, fragment)?;
    scan.with_row_id().include_deleted_rows().scan_in_order(true);
    Ok(scan.try_into_stream().boxed().await?)
}

/// The vectors of the rows that are not deleted, some at a time, with their addresses.
pub async fn each_vector(
    target: &Target,
    fragment: &FileFragment,
    mut each: impl FnMut(&Values, &[u64]) -> Result<()>,
) -> Result<()> {
    let mut scan = scan(&target.dataset, &target.column, fragment)?;
    scan.with_row_address();
    let mut batches = scan.try_into_stream().boxed().await?;
    while let Some(batch) = batches.try_next().await? {
        let values = Values::of_batch(target, &batch)?;
        let Some(addresses) = batch.column_by_name(ROW_ADDR) else { continue };
        each(&values, addresses.as_primitive::<UInt64Type>().values())?;
    }
    Ok(())
}

fn scan(dataset: &Dataset, column: &str, fragment: &FileFragment) -> Result<Scanner> {
    let mut scan = dataset.scan();
    scan.with_fragments(vec![fragment.metadata().clone()]);
    scan.project(&[column])?;
    Ok(scan)
}
