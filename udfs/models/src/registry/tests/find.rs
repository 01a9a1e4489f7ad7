use super::*;

#[test]
fn a_model_that_is_nowhere_names_the_places_and_the_remedy() {
    let mut machine = Machine::new();
    machine.options.model_dir = Some(machine.folder.path().join("mine"));
    let error = machine.registry(&[tiny()]).find("tiny").unwrap_err().to_string();
    for place in ["mine/tiny", "models/tiny", &format!("models--org--tiny/snapshots/{COMMIT}")] {
        assert!(error.contains(place), "{error}");
    }
    assert!(error.ends_with("PULL MODEL 'tiny' fetches it"), "{error}");

    write(&machine.place("tiny").join("model.safetensors"), b"");
    let error = machine.registry(&[tiny()]).find("tiny").unwrap_err().to_string();
    assert!(error.contains("models/tiny, which has no 1_Pooling/config.json"), "{error}");
}

#[test]
fn the_users_folder_of_models_comes_first() {
    let mut machine = Machine::new();
    let mine = machine.folder.path().join("mine");
    machine.options.model_dir = Some(mine.clone());
    let registry = machine.registry(&[tiny()]);
    lay(&machine.place("tiny"));
    assert_eq!(registry.find("tiny").unwrap().folder, machine.place("tiny"));
    lay(&mine.join("tiny"));
    let located = registry.find("tiny").unwrap();
    assert_eq!(located.folder, mine.join("tiny"));
    assert_eq!(located.revision, sha256(&weights())[..12]);
}

#[test]
fn a_model_in_the_hubs_cache_is_used_where_it_is() {
    let machine = Machine::new();
    let model = machine.folder.path().join("hub/models--org--tiny");
    let registry = machine.registry(&[tiny()]);

    // The commit is there, and nothing refers to it.
    let pinned = model.join("snapshots").join(COMMIT);
    lay(&pinned);
    let revision = registry.find("tiny").unwrap().revision;
    assert_eq!(registry.find("tiny").unwrap().folder, pinned);

    // Only what main was when it was fetched.
    fs::remove_dir_all(&pinned).unwrap();
    assert!(registry.find("tiny").is_err());
    write(&model.join("refs/main"), b"bbbb");
    lay(&model.join("snapshots/bbbb"));
    let located = registry.find("tiny").unwrap();
    assert_eq!(located.folder, model.join("snapshots/bbbb"));
    assert_eq!(located.revision, revision, "the same weights from another place");

    // Other weights than the manifest's are another model, not a damaged one.
    damage(&model.join("snapshots/bbbb/model.safetensors"));
    let error = machine.registry(&[known_tiny()]).find("tiny").unwrap_err();
    assert!(matches!(error, Error::NotHere { .. }), "{error}");
    assert!(error.to_string().contains("which is another revision"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_cached_file_is_held_to_the_name_of_its_blob() {
    let machine = Machine::new();
    let model = machine.folder.path().join("hub/models--org--tiny");
    let link = |name: &str, blob: &str, content: &[u8]| {
        let (blob, path) =
            (model.join("blobs").join(blob), model.join("snapshots").join(COMMIT).join(name));
        write(&blob, content);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(blob, path).unwrap();
    };
    // `git hash-object` and `sha256sum` of the two.
    let (config, weights_blob) = ("46332c50668921e90868a1d44a2550bb60ffdb1d", sha256(&weights()));
    link("1_Pooling/config.json", config, CONFIG);
    link("model.safetensors", &weights_blob, &weights());
    let registry = machine.registry(&[tiny()]);
    registry.find("tiny").unwrap();

    damage(&model.join("blobs").join(config));
    let error = registry.find("tiny").unwrap_err().to_string();
    assert!(error.contains(&format!("not {config}")), "{error}");
    assert!(error.ends_with("PULL MODEL 'tiny' fetches it anew"), "{error}");

    write(&model.join("blobs").join(config), CONFIG);
    registry.find("tiny").unwrap();
    damage(&model.join("blobs").join(&weights_blob));
    let error = registry.find("tiny").unwrap_err().to_string();
    assert!(error.contains(&format!("not {weights_blob}")), "{error}");
}

#[test]
fn a_damaged_file_is_named_with_both_digests_and_the_remedy() {
    let mut machine = Machine::new();
    let mine = machine.folder.path().join("mine");
    machine.options.model_dir = Some(mine.clone());
    let registry = machine.registry(&[known_tiny()]);
    lay(&mine.join("tiny"));
    registry.find("tiny").unwrap();

    let path = mine.join("tiny/model.safetensors");
    damage(&path);
    let error = registry.find("tiny").unwrap_err().to_string();
    let (found, wanted) = (sha256(&fs::read(&path).unwrap()), sha256(&weights()));
    assert!(error.contains(&format!("its SHA-256 is {found}, not {wanted}")), "{error}");
    assert!(error.contains("put the right file there"), "{error}");
}

#[test]
fn files_that_look_as_they_did_are_not_hashed_again() {
    let machine = Machine::new();
    lay(&machine.place("tiny"));
    machine.registry(&[known_tiny()]).find("tiny").unwrap();

    // Other bytes behind the same size and time are seen only by those who hash.
    let path = machine.place("tiny").join("model.safetensors");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    damage(&path);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let registry = machine.registry(&[known_tiny()]);
    registry.find("tiny").unwrap();

    let checked = registry.verify("tiny").unwrap();
    let [config, weights] = checked.as_slice() else { panic!("{checked:?}") };
    assert_eq!((config.wrong.as_ref(), config.sha256.clone()), (None, Some(sha256(CONFIG))));
    assert_eq!(weights.path, path);
    assert!(weights.wrong.as_ref().unwrap().contains("its SHA-256 is"), "{weights:?}");
}

#[test]
fn a_file_whose_time_alone_changed_is_fine() {
    let machine = Machine::new();
    lay(&machine.place("tiny"));
    let registry = machine.registry(&[known_tiny()]);
    registry.find("tiny").unwrap();
    let path = machine.place("tiny").join("model.safetensors");
    damage(&path);
    damage(&path);
    registry.find("tiny").unwrap();
}

#[test]
fn verify_reports_a_file_that_is_gone() {
    let machine = Machine::new();
    lay(&machine.place("tiny"));
    fs::remove_file(machine.place("tiny").join("1_Pooling/config.json")).unwrap();
    let checked = machine.registry(&[tiny()]).verify("tiny").unwrap();
    assert!(checked.iter().any(|it| it.wrong.is_some() && it.sha256.is_none()), "{checked:?}");

    let error = Machine::new().registry(&[tiny()]).verify("tiny").unwrap_err();
    assert!(matches!(error, Error::NotHere { .. }), "{error}");
}

#[test]
fn a_model_of_parts_is_where_its_parts_are() {
    let machine = Machine::new();
    let part = |name: &str| Manifest { name: name.into(), ..tiny() };
    let pair = Manifest {
        name: "pair".into(),
        parts: vec!["one".into(), "two".into()],
        files: Vec::new(),
        sources: Vec::new(),
        ..tiny()
    };
    let registry = machine.registry(&[part("one"), part("two"), pair]);
    lay(&machine.place("one"));
    let error = registry.find("pair").unwrap_err().to_string();
    assert!(error.starts_with("model 'pair' is not on this machine"), "{error}");
    assert!(error.contains("for its part two: "), "{error}");
    assert!(error.ends_with("PULL MODEL 'pair' fetches it"), "{error}");
    assert!(!registry.list().unwrap()[2].here);

    lay(&machine.place("two"));
    let located = registry.find("pair").unwrap();
    let folders: Vec<_> = located.parts.iter().map(|part| part.folder.clone()).collect();
    assert_eq!(folders, [machine.place("one"), machine.place("two")]);
    let half = &sha256(&weights())[..12];
    assert_eq!(located.revision, format!("{half}+{half}"));

    let entry = registry.list().unwrap().remove(2);
    assert!(entry.here);
    assert_eq!(entry.bytes, 2 * (weights().len() + CONFIG.len()) as u64);
    let error = registry.remove("pair").unwrap_err().to_string();
    assert!(error.contains("is made of one and two"), "{error}");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let registry = Registry::new(Machine::new().options);
    let hint = |name: &str| registry.find(name).unwrap_err().to_string();
    assert!(hint("all-minilm-l6-v2").contains("did you mean 'all-MiniLM-L6-v2'?"));
    assert!(hint("multilingual-e5-smal").contains("did you mean 'multilingual-e5-small'?"));
    assert!(hint("gte").contains("did you mean 'gte-base'?"));
    let far = hint("word2vec");
    assert!(far.contains("model 'word2vec' is not known; SHOW MODELS lists"), "{far}");
    assert!(hint("../secret").contains("is not known"));
    assert_eq!(registry.manifest("siglip").unwrap().name, "siglip-base-patch16-224");
}

#[test]
fn a_machine_without_a_models_folder_still_finds() {
    let mut machine = Machine::new();
    let mine = machine.folder.path().join("mine");
    machine.options.model_dir = Some(mine.clone());
    machine.options.environment.models = None;
    lay(&mine.join("tiny"));
    let registry = machine.registry(&[tiny()]);
    assert_eq!(registry.find("tiny").unwrap().folder, mine.join("tiny"));
    assert_eq!(registry.list().unwrap().len(), 1);
    let error = registry.remove("tiny").unwrap_err().to_string();
    assert!(error.contains("set PORTOLAN_MODELS"), "{error}");
}
