use super::*;

const BERT: &[u8] = br#"{"model_type": "bert", "hidden_size": 8, "max_position_embeddings": 512}"#;

/// A folder with a model of the user's own.
fn own(machine: &Machine) -> PathBuf {
    let folder = machine.folder.path().join("own model");
    write(&folder.join("config.json"), BERT);
    write(&folder.join("tokenizer.json"), b"{}");
    write(&folder.join("model.safetensors"), &weights());
    folder
}

#[test]
fn a_folder_becomes_a_model_and_is_forgotten_again() {
    let machine = Machine::new();
    let folder = own(&machine);
    let registry = machine.registry(&[]);
    let manifest = registry.create("mine", &folder, false).unwrap();
    assert_eq!(manifest.dims, 8);
    assert_eq!(manifest.files.len(), 3);
    assert!(manifest.files.iter().all(|file| file.sha256.is_some()));

    let registry = machine.registry(&[]);
    assert_eq!(registry.manifest("mine").unwrap(), manifest);
    let located = registry.find("mine").unwrap();
    assert_eq!((&located.folder, located.revision.as_str()), (&folder, &sha256(&weights())[..12]));
    let entries = registry.list().unwrap();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert!(entry.here && entry.manifest == manifest);

    registry.remove("mine").unwrap();
    assert!(matches!(registry.find("mine").unwrap_err(), Error::UnknownModel { .. }));
    assert!(matches!(registry.remove("mine").unwrap_err(), Error::UnknownModel { .. }));
    assert!(folder.join("model.safetensors").exists(), "the user's files stay");
}

#[test]
fn a_folder_that_changed_is_another_model() {
    let machine = Machine::new();
    let folder = own(&machine);
    let registry = machine.registry(&[]);
    registry.create("mine", &folder, false).unwrap();
    damage(&folder.join("model.safetensors"));
    let error = registry.find("mine").unwrap_err().to_string();
    assert!(error.contains(&format!("not {}", sha256(&weights()))), "{error}");
    assert!(
        error.ends_with("CREATE OR REPLACE MODEL 'mine' takes the folder as it is now"),
        "{error}"
    );

    let error = registry.create("mine", &folder, false).unwrap_err().to_string();
    assert!(error.contains("exists already: CREATE OR REPLACE MODEL"), "{error}");
    registry.create("mine", &folder, true).unwrap();
    let revision = registry.find("mine").unwrap().revision;
    assert_eq!(revision, sha256(&fs::read(folder.join("model.safetensors")).unwrap())[..12]);
}

#[tokio::test]
async fn a_folder_that_is_gone_cannot_be_pulled() {
    let machine = Machine::new();
    let folder = own(&machine);
    let registry = machine.registry(&[]);
    registry.create("mine", &folder, false).unwrap();
    registry.pull("mine", &no_progress).await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert!(!registry.list().unwrap()[0].here);
    for error in
        [registry.find("mine").unwrap_err(), registry.pull("mine", &no_progress).await.unwrap_err()]
    {
        assert!(error.to_string().contains("own model); bring the folder back"), "{error}");
    }
}

#[test]
fn names_are_checked() {
    let machine = Machine::new();
    let folder = own(&machine);
    let registry = machine.registry(&[tiny()]);
    let error = |name: &str| registry.create(name, &folder, true).unwrap_err().to_string();
    for name in ["tiny", "Tiny", "SigLIP"] {
        assert!(error(name).contains("is one that Portolan knows"), "{name}");
    }
    for name in ["", "../up", "a/b", ".hidden", "mit space", "ü", &"x".repeat(97)] {
        assert!(error(name).contains("cannot name a model"), "{name}");
    }
    registry.create("mine-1.0_b", &folder, false).unwrap();
    let hint = registry.find("mine").unwrap_err().to_string();
    assert!(hint.contains("did you mean 'mine-1.0_b'?"), "{hint}");
}

#[test]
fn a_note_that_is_damaged_is_named_with_the_remedy() {
    let machine = Machine::new();
    write(&machine.models().join("mine.json"), b"{");
    let registry = machine.registry(&[tiny()]);
    let error = registry.find("mine").unwrap_err().to_string();
    assert!(error.contains("mine.json") && error.contains("CREATE OR REPLACE MODEL"), "{error}");
    registry.create("mine", &own(&machine), true).unwrap();
    registry.find("mine").unwrap();
}

#[test]
fn a_folder_that_is_no_model_is_refused_and_not_noted() {
    let machine = Machine::new();
    let folder = own(&machine);
    fs::write(folder.join("config.json"), br#"{"model_type": "t5"}"#).unwrap();
    let registry = machine.registry(&[]);
    let error = registry.create("mine", &folder, false).unwrap_err().to_string();
    assert!(error.contains("'t5', which is not supported"), "{error}");
    assert!(registry.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_model_that_is_being_changed_is_left_alone() {
    let machine = Machine::new();
    let registry = machine.registry(&[]);
    let folder = own(&machine);
    let claim = Claim::wait(&machine.models(), "mine").await.unwrap();
    let error = registry.create("mine", &folder, false).unwrap_err().to_string();
    assert!(error.contains("is being fetched or changed"), "{error}");
    drop(claim);
    registry.create("mine", &folder, false).unwrap();
}
