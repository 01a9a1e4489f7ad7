use futures::{StreamExt, TryStreamExt};
use object_store_datafusion::path::Path as DfPath;
use object_store_datafusion::{
    Attribute, Attributes, Error as DfError, GetOptions, GetRange, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, UpdateVersion,
};
use proptest::prelude::*;

use super::*;
use crate::session::secrets::{OnConflict, SecretKind};

/// One thing to do to a store, on one of few names so that operations meet.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, Vec<u8>, bool),
    Parts(u8, Vec<Vec<u8>>),
    Get(u8, Option<GetRange>),
    Ranges(u8, u64, u64),
    Delete(u8),
    Copy(u8, u8, bool),
    Rename(u8, u8, bool),
    List(Option<u8>),
    ListAfter(u8),
    Folders,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..4u8;
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    let range = prop_oneof![
        (0..30u64, 1..20u64).prop_map(|(start, length)| GetRange::Bounded(start..start + length)),
        (0..50u64).prop_map(GetRange::Offset),
        (1..50u64).prop_map(GetRange::Suffix),
    ];
    prop_oneof![
        (name.clone(), bytes.clone(), any::<bool>())
            .prop_map(|(n, b, create)| Step::Put(n, b, create)),
        (name.clone(), proptest::collection::vec(bytes, 0..3)).prop_map(|(n, p)| Step::Parts(n, p)),
        (name.clone(), proptest::option::of(range)).prop_map(|(n, r)| Step::Get(n, r)),
        (name.clone(), 0..20u64, 1..20u64)
            .prop_map(|(n, start, length)| Step::Ranges(n, start, length)),
        name.clone().prop_map(Step::Delete),
        (name.clone(), name.clone(), any::<bool>())
            .prop_map(|(a, b, create)| Step::Copy(a, b, create)),
        (name.clone(), name.clone(), any::<bool>())
            .prop_map(|(a, b, create)| Step::Rename(a, b, create)),
        proptest::option::of(0..2u8).prop_map(Step::List),
        name.prop_map(Step::ListAfter),
        Just(Step::Folders),
    ]
}

fn name(n: u8) -> String {
    format!("folder {}/object%{n}", n % 2)
}

/// What a step gives, in words that are the same for both releases.
type Outcome = std::result::Result<Vec<String>, &'static str>;

macro_rules! run_step {
    ($store:expr, $step:expr, $api:ident) => {{
        use $api::path::Path;
        use $api::{
            CopyMode, CopyOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt,
        };
        use $api::{PutMode, PutMultipartOptions, PutPayload, RenameOptions, RenameTargetMode};
        let store = $store;
        let path = |n: u8| Path::parse(name(n)).unwrap();
        let kind = |error: Error| match error {
            Error::NotFound { .. } => "not found",
            Error::AlreadyExists { .. } => "already exists",
            Error::NotSupported { .. } => "not supported",
            Error::NotImplemented { .. } => "not implemented",
            Error::Precondition { .. } => "precondition",
            Error::Generic { .. } => "generic",
            _ => "other",
        };
        let shown = |metas: Vec<$api::ObjectMeta>| {
            let mut shown: Vec<_> =
                metas.iter().map(|m| format!("{} {} {:?}", m.location, m.size, m.e_tag)).collect();
            shown.sort();
            shown
        };
        let outcome: std::result::Result<Vec<String>, Error> = match $step {
            Step::Put(n, bytes, create) => {
                let mode = if create { PutMode::Create } else { PutMode::Overwrite };
                store
                    .put_opts(&path(n), PutPayload::from(bytes), mode.into())
                    .await
                    .map(|result| vec![format!("{:?}", result.e_tag)])
            }
            Step::Parts(n, parts) => {
                let mut upload = store
                    .put_multipart_opts(&path(n), PutMultipartOptions::default())
                    .await
                    .unwrap();
                for part in parts {
                    upload.put_part(part.into()).await.unwrap();
                }
                upload.complete().await.map(|result| vec![format!("{:?}", result.e_tag)])
            }
            Step::Get(n, range) => {
                let range = range.map(|range| match range {
                    object_store_datafusion::GetRange::Bounded(range) => GetRange::Bounded(range),
                    object_store_datafusion::GetRange::Offset(offset) => GetRange::Offset(offset),
                    object_store_datafusion::GetRange::Suffix(length) => GetRange::Suffix(length),
                });
                match store.get_opts(&path(n), GetOptions { range, ..Default::default() }).await {
                    Ok(got) => {
                        let about =
                            format!("{} {:?} {:?}", got.meta.location, got.range, got.meta.e_tag);
                        got.bytes().await.map(|bytes| vec![about, format!("{bytes:?}")])
                    }
                    Err(error) => Err(error),
                }
            }
            Step::Ranges(n, start, length) => store
                .get_ranges(&path(n), &[start..start + length, 0..1])
                .await
                .map(|ranges| ranges.iter().map(|bytes| format!("{bytes:?}")).collect()),
            Step::Delete(n) => store.delete(&path(n)).await.map(|()| vec![]),
            Step::Copy(a, b, create) => {
                let mode = if create { CopyMode::Create } else { CopyMode::Overwrite };
                let options = CopyOptions::new().with_mode(mode);
                store.copy_opts(&path(a), &path(b), options).await.map(|()| vec![])
            }
            Step::Rename(a, b, create) => {
                let mode =
                    if create { RenameTargetMode::Create } else { RenameTargetMode::Overwrite };
                let options = RenameOptions::new().with_target_mode(mode);
                store.rename_opts(&path(a), &path(b), options).await.map(|()| vec![])
            }
            Step::List(n) => {
                let prefix = n.map(|n| Path::parse(format!("folder {n}")).unwrap());
                store.list(prefix.as_ref()).try_collect().await.map(shown)
            }
            Step::ListAfter(n) => {
                store.list_with_offset(None, &path(n)).try_collect().await.map(shown)
            }
            Step::Folders => store.list_with_delimiter(None).await.map(|list| {
                let mut shown = shown(list.objects);
                shown.extend(list.common_prefixes.iter().map(ToString::to_string));
                shown
            }),
        };
        outcome.map_err(kind)
    }};
}

proptest! {
    #[test]
    fn the_bridge_gives_what_the_store_gives(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let bridged = Bridge::new(Arc::new(InMemory::new()));
            for step in steps {
                let expected: Outcome = run_step!(&plain, step.clone(), object_store);
                let given: Outcome = run_step!(&bridged, step.clone(), object_store_datafusion);
                assert_eq!(given, expected, "{step:?}");
            }
        });
    }
}

#[tokio::test]
async fn attributes_tags_and_conditions_cross_the_bridge() {
    let bridge = Bridge::new(Arc::new(InMemory::new()));
    let path = DfPath::from("a");
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, "text/csv".into());
    attributes.insert(Attribute::Metadata("lang".into()), "it".into());
    let options = PutOptions { attributes: attributes.clone(), ..Default::default() };
    let first = bridge.put_opts(&path, "one".into(), options).await.unwrap();
    let got = bridge.get(&path).await.unwrap();
    assert_eq!(got.attributes, attributes);
    assert_eq!(got.meta.e_tag, first.e_tag);

    let version = UpdateVersion { e_tag: first.e_tag.clone(), version: None };
    let update = |version| PutOptions { mode: PutMode::Update(version), ..Default::default() };
    bridge.put_opts(&path, "two".into(), update(version.clone())).await.unwrap();
    let stale = bridge.put_opts(&path, "three".into(), update(version)).await.unwrap_err();
    assert!(matches!(stale, DfError::Precondition { .. }), "{stale}");

    let unchanged = GetOptions { if_match: first.e_tag, ..Default::default() };
    let changed = bridge.get_opts(&path, unchanged).await.unwrap_err();
    assert!(matches!(changed, DfError::Precondition { .. }), "{changed}");
    let head =
        bridge.get_opts(&path, GetOptions { head: true, ..Default::default() }).await.unwrap();
    assert_eq!(head.meta.size, 3);
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing_and_many_are_deleted_at_once() {
    let bridge = Bridge::new(Arc::new(InMemory::new()));
    let path = DfPath::from("a");
    let mut upload =
        bridge.put_multipart_opts(&path, PutMultipartOptions::default()).await.unwrap();
    upload.put_part("x".into()).await.unwrap();
    upload.abort().await.unwrap();
    assert!(matches!(bridge.head(&path).await.unwrap_err(), DfError::NotFound { .. }));

    bridge.put(&path, "x".into()).await.unwrap();
    let broken = DfError::NotSupported { source: "mine".into() };
    let locations = futures::stream::iter([Ok(path), Err(broken), Ok(DfPath::from("b"))]);
    let deleted: Vec<_> = bridge.delete_stream(locations.boxed()).collect().await;
    assert_eq!(deleted.len(), 3);
    assert!(
        deleted.iter().any(|result| matches!(result, Err(DfError::NotSupported { .. }))),
        "the caller's own error comes back as it was: {deleted:?}"
    );
}

#[tokio::test]
async fn memory_is_shared_within_a_session() {
    let stores = Stores::new(Secrets::default());
    let there = stores.open("memory://shelf/a/b.txt").unwrap();
    object_store::ObjectStoreExt::put(there.store.as_ref(), &there.path, "x".into()).await.unwrap();
    let seen = stores.get_store(&Url::parse("memory://shelf").unwrap()).unwrap();
    assert_eq!(seen.head(&DfPath::from("a/b.txt")).await.unwrap().size, 1);
    let other = stores.get_store(&Url::parse("memory://other").unwrap()).unwrap();
    assert!(other.head(&DfPath::from("a/b.txt")).await.is_err());
}

#[test]
fn a_stranger_is_refused_in_one_sentence() {
    let stores = Stores::new(Secrets::default());
    let url = Url::parse("ftp://host/").unwrap();
    let error = Error::from(stores.get_store(&url).unwrap_err()).to_string();
    assert!(error.starts_with("cannot open 'ftp://host/': a location is a local path"), "{error}");
}

#[cfg(feature = "aws")]
#[tokio::test]
async fn a_secret_that_is_replaced_takes_its_connection_along() {
    let stores = Stores::new(Secrets::default());
    let secret = |key: &str| {
        let options = [("key_id", key), ("secret", "s"), ("endpoint", "http://127.0.0.1:1")];
        let options = options.map(|(name, value)| (name, value.to_string()));
        Secret::new("mine", SecretKind::S3, None, options.into()).unwrap()
    };
    let root = Url::parse("s3://bucket/").unwrap();
    stores.secrets().create(secret("first"), OnConflict::Refuse).unwrap();
    let first = stores.connect(&root, &Path::from("a")).await.unwrap();
    let again = stores.connect(&root, &Path::from("b")).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    stores.secrets().create(secret("second"), OnConflict::Replace).unwrap();
    let second = stores.connect(&root, &Path::from("a")).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(stores.shared.connections.lock().len(), 1);
    let params = stores.lance_params(&Url::parse("s3://bucket/db").unwrap());
    let options = params.storage_options().unwrap();
    assert_eq!(options.get("aws_access_key_id").map(String::as_str), Some("second"));
}
