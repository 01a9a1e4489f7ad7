use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::fake_hub::{FakeHub, Reply, Request, sound_answer};
use super::*;

async fn pulled(machine: &Machine, manifest: Manifest) -> Result<Located> {
    machine.registry(&[manifest]).pull("tiny", &no_progress).await
}

#[tokio::test]
async fn a_model_is_fetched_once_and_recorded() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    let seen = Mutex::new(Vec::new());
    let progress = |file: &str, done: u64, total: Option<u64>| {
        seen.lock().push((file.to_string(), done, total));
    };
    let registry = machine.registry(&[tiny()]);
    let located = registry.pull("tiny", &progress).await.unwrap();
    assert_eq!(located.folder, machine.place("tiny"));
    assert_eq!(located.revision, sha256(&weights())[..12]);
    assert_eq!(fs::read(located.folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(machine.models_seen(), ["tiny"]);

    let size = weights().len() as u64;
    let seen = seen.into_inner();
    assert!(seen.contains(&("model.safetensors".into(), 0, Some(size))), "{seen:?}");
    assert_eq!(seen.last(), Some(&("model.safetensors".into(), size, Some(size))));

    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(located.folder.join("portolan.json")).unwrap()).unwrap();
    assert_eq!(record["files"]["model.safetensors"]["sha256"], sha256(&weights()));
    assert_eq!(record["files"]["model.safetensors"]["size"], size);
    assert_eq!(record["source"]["hub"]["revision"], COMMIT);

    registry.pull("tiny", &no_progress).await.unwrap();
    assert_eq!(hub.requests().len(), 2, "nothing is fetched twice");
    let checked = registry.verify("tiny").unwrap();
    assert!(checked.iter().all(|it| it.wrong.is_none()), "{checked:?}");
}

#[tokio::test]
async fn a_large_file_comes_from_where_the_hub_sends_us_without_our_token() {
    let storage = FakeHub::start(|request| {
        // Storage has tags of its own, which are no digests of the file.
        Reply::stored(request, &weights()).header("ETag", format!("\"{}\"", "0".repeat(40)))
    })
    .await;
    let elsewhere = format!("{}/blob?signature=1", storage.endpoint);
    let hub = FakeHub::start(move |request| {
        if request.path.starts_with("/cached/") {
            return Reply::small(request, CONFIG);
        }
        if request.path.ends_with("config.json") {
            return Reply::status(307).header("Location", "/cached/config.json");
        }
        Reply::status(302)
            .header("X-Linked-ETag", format!("\"{}\"", sha256(&weights())))
            .header("Location", &elsewhere)
    })
    .await;
    let mut machine = Machine::at(&hub.endpoint);
    machine.options.environment.hub_token = Some("secret".into());
    pulled(&machine, tiny()).await.unwrap();
    assert_eq!(hub.requests().len(), 3);
    assert!(hub.requests().iter().all(|it| it.token.as_deref() == Some("Bearer secret")));
    assert_eq!(storage.requests().len(), 1);
    assert_eq!(storage.requests()[0].token, None);
}

#[tokio::test]
async fn a_download_that_is_cut_off_is_continued() {
    let cut = 100_000;
    let hub = FakeHub::start(move |request| {
        let reply = sound_answer(request);
        let cuts = request.path.ends_with("model.safetensors") && request.earlier < 2;
        if cuts { Reply { cut: Some(cut), ..reply } } else { reply }
    })
    .await;
    pulled(&Machine::at(&hub.endpoint), tiny()).await.unwrap();
    let from: Vec<_> = hub.requests_for("model.safetensors").iter().map(|it| it.from).collect();
    assert_eq!(from, [None, Some(cut), Some(2 * cut)]);
}

#[tokio::test]
async fn a_server_without_ranges_is_asked_for_the_whole_again() {
    let hub = FakeHub::start(|request| {
        let whole = Request { from: None, ..request.clone() };
        let reply = sound_answer(&whole);
        let cuts = request.path.ends_with("model.safetensors") && request.earlier == 0;
        if cuts { Reply { cut: Some(5000), ..reply } } else { reply }
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let located = pulled(&machine, tiny()).await.unwrap();
    assert_eq!(fs::read(located.folder.join("model.safetensors")).unwrap(), weights());
}

#[tokio::test]
async fn a_busy_hub_is_asked_again_and_a_silent_one_too() {
    let hub = FakeHub::start(|request| match request.earlier {
        0 => Reply::status(429).header("Retry-After", 0),
        1 => Reply::status(503),
        2 => Reply { cut: Some(10), stall: true, ..sound_answer(request) },
        _ => sound_answer(request),
    })
    .await;
    let mut machine = Machine::at(&hub.endpoint);
    machine.patience.idle = Duration::from_secs(1);
    pulled(&machine, tiny()).await.unwrap();
    assert_eq!(hub.requests().len(), 8);
}

#[tokio::test]
async fn a_hub_that_stays_broken_is_given_up_with_its_reason() {
    let hub = FakeHub::start(|_| Reply::status(502)).await;
    let machine = Machine::at(&hub.endpoint);
    let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
    assert!(error.starts_with("model 'tiny' could not be fetched: "), "{error}");
    assert!(error.contains("fails (502"), "{error}");
    assert_eq!(hub.requests().len(), 3);
    assert!(!machine.place("tiny").exists());

    // Nothing listens there.
    let error = pulled(&Machine::new(), tiny()).await.unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:9 cannot be reached"), "{error}");
}

#[tokio::test]
async fn what_no_retry_mends_is_told_at_once() {
    for (status, token, reason) in [
        (404, None, "there is no http://"),
        (401, None, "set HF_TOKEN to a token that may read it"),
        (403, Some("t"), "the token in HF_TOKEN may not read it"),
        (418, None, "answers 418"),
    ] {
        let hub = FakeHub::start(move |_| Reply::status(status)).await;
        let mut machine = Machine::at(&hub.endpoint);
        machine.options.environment.hub_token = token.map(str::to_string);
        let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(hub.requests().len(), 1, "{status}");
    }
    let hub = FakeHub::start(|request| Reply::status(302).header("Location", &request.path)).await;
    let error = pulled(&Machine::at(&hub.endpoint), tiny()).await.unwrap_err().to_string();
    assert!(error.contains("redirects without end"), "{error}");
}

#[tokio::test]
async fn wrong_bytes_never_become_a_model() {
    // They are not what the hub itself declares.
    let hub = FakeHub::start(|request| {
        let mut reply = sound_answer(request);
        reply.body[0] ^= 1;
        reply
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
    assert!(error.contains("config.json is not what it should be: its git SHA-1 is"), "{error}");
    assert!(!machine.place("tiny").exists());

    // They are what the hub declares, and not what the manifest knows.
    let hub = FakeHub::start(|request| {
        let other = [weights(), vec![1]].concat();
        let config = request.path.ends_with("config.json");
        if config { sound_answer(request) } else { Reply::large(request, &other) }
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let error = pulled(&machine, known_tiny()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("not {}", sha256(&weights()))), "{error}");
    assert!(!machine.place("tiny").exists());
}

#[tokio::test]
async fn a_mirror_that_declares_nothing_must_tell_the_length() {
    let mirror = |sized| {
        move |request: &Request| Reply { sized, headers: Vec::new(), ..sound_answer(request) }
    };
    let hub = FakeHub::start(mirror(true)).await;
    pulled(&Machine::at(&hub.endpoint), tiny()).await.unwrap();

    let hub = FakeHub::start(mirror(false)).await;
    let error = pulled(&Machine::at(&hub.endpoint), tiny()).await.unwrap_err().to_string();
    assert!(error.contains("says neither its length nor its digest"), "{error}");
    pulled(&Machine::at(&hub.endpoint), known_tiny()).await.unwrap();
}

#[tokio::test]
async fn a_pull_that_was_stopped_is_continued_and_leaves_nothing() {
    let sent = 70_000;
    let hub = FakeHub::start(move |request| {
        let reply = sound_answer(request);
        let stalls = request.path.ends_with("model.safetensors") && request.earlier == 0;
        if stalls { Reply { cut: Some(sent), stall: true, ..reply } } else { reply }
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let registry = machine.registry(&[tiny()]);
    let arrived = Arc::new(Notify::new());
    let tell = arrived.clone();
    let pull = tokio::spawn(async move {
        let progress = move |_: &str, done: u64, _: Option<u64>| {
            if done == sent as u64 {
                tell.notify_one();
            }
        };
        registry.pull("tiny", &progress).await.map(|_| ())
    });
    arrived.notified().await;
    pull.abort();
    assert!(pull.await.unwrap_err().is_cancelled());
    assert_eq!(machine.models_seen(), [".tiny.part"], "half a model is not seen as one");
    let error = machine.registry(&[tiny()]).find("tiny").unwrap_err();
    assert!(matches!(error, Error::NotHere { .. }), "{error}");

    pulled(&machine, tiny()).await.unwrap();
    assert_eq!(machine.models_seen(), ["tiny"]);
    assert_eq!(hub.requests_for("config.json").len(), 1, "a whole file is not fetched again");
    assert!(hub.requests_for("model.safetensors").len() >= 2);
}

#[tokio::test]
async fn leftovers_that_are_wrong_do_no_harm() {
    for (leftover, requests) in [
        // Not the start of the file; as much as the whole file, but another; more than the file.
        (vec![7; 1000], vec![Some(1000), None]),
        (vec![7; weights().len()], vec![Some(weights().len()), None]),
        (vec![7; weights().len() + 1], vec![Some(weights().len() + 1), None]),
        // The whole file, killed before it got its name.
        (weights(), vec![Some(weights().len())]),
    ] {
        let hub = FakeHub::sound().await;
        let machine = Machine::at(&hub.endpoint);
        let gathered = machine.models().join(".tiny.part/hub-aaaaaaaaaaaa");
        write(&gathered.join("model.safetensors.partial"), &leftover);
        write(
            &machine.models().join(".tiny.part/hub-bbbb/model.safetensors"),
            b"of another commit",
        );
        let located = pulled(&machine, tiny()).await.unwrap();
        assert_eq!(fs::read(located.folder.join("model.safetensors")).unwrap(), weights());
        let from: Vec<_> = hub.requests_for("model.safetensors").iter().map(|it| it.from).collect();
        assert_eq!(from, requests);
        assert_eq!(machine.models_seen(), ["tiny"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_at_once_both_succeed_and_fetch_once() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    // Two registries know as little of each other as two processes do.
    let pulls = [machine.registry(&[tiny()]), machine.registry(&[tiny()])];
    let pulls = pulls.map(|registry| {
        tokio::spawn(async move { registry.pull("tiny", &no_progress).await.unwrap().revision })
    });
    for pull in pulls {
        assert_eq!(pull.await.unwrap(), sha256(&weights())[..12]);
    }
    assert_eq!(hub.requests().len(), 2);
}

#[tokio::test]
async fn a_damaged_model_is_fetched_anew() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    let registry = machine.registry(&[tiny()]);
    registry.pull("tiny", &no_progress).await.unwrap();
    let path = machine.place("tiny").join("model.safetensors");
    damage(&path);
    let error = registry.find("tiny").unwrap_err().to_string();
    assert!(error.contains(&format!("not {}", sha256(&weights()))), "{error}");
    assert!(error.ends_with("PULL MODEL 'tiny' fetches it anew"), "{error}");
    registry.pull("tiny", &no_progress).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights());

    fs::remove_file(&path).unwrap();
    assert!(matches!(registry.find("tiny").unwrap_err(), Error::NotHere { .. }));
    registry.pull("tiny", &no_progress).await.unwrap();
    assert_eq!(machine.models_seen(), ["tiny"]);
}

#[tokio::test]
async fn a_users_folder_is_neither_replaced_nor_mended() {
    let hub = FakeHub::sound().await;
    let mut machine = Machine::at(&hub.endpoint);
    let path = machine.place("tiny").join("model.safetensors");
    write(&path, b"mine");
    let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
    assert!(error.contains("is not Portolan's to replace: move it away"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");

    let mine = machine.folder.path().join("mine");
    lay(&mine.join("tiny"));
    damage(&mine.join("tiny/model.safetensors"));
    machine.options.model_dir = Some(mine);
    let error = pulled(&machine, known_tiny()).await.unwrap_err().to_string();
    assert!(error.contains("take the folder away"), "{error}");
    assert!(hub.requests().is_empty());
}

#[tokio::test]
async fn offline_nothing_is_asked() {
    let hub = FakeHub::sound().await;
    let mut machine = Machine::at(&hub.endpoint);
    machine.options.offline = true;
    let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
    assert!(error.contains("nothing is fetched while portolan.offline is on"), "{error}");

    machine.options.offline = false;
    machine.options.environment.hub_offline = true;
    let error = pulled(&machine, tiny()).await.unwrap_err().to_string();
    assert!(error.contains("HF_HUB_OFFLINE is set"), "{error}");

    lay(&machine.folder.path().join("hub/models--org--tiny/snapshots").join(COMMIT));
    pulled(&machine, tiny()).await.unwrap();
    assert!(hub.requests().is_empty());
}

#[tokio::test]
async fn the_next_source_is_asked_where_one_fails() {
    let broken = FakeHub::start(|_| Reply::status(500)).await;
    let machine = Machine::at(&broken.endpoint);
    let other = Source::Hub { repository: "org/other".into(), revision: "main".into() };
    let manifest = Manifest { sources: vec![tiny().sources.remove(0), other.clone()], ..tiny() };
    let error = pulled(&machine, manifest.clone()).await.unwrap_err().to_string();
    assert_eq!(error.matches("fails (500").count(), 2, "{error}");

    let hub = FakeHub::start(|request| {
        let path = request
            .path
            .replace("/org/other/resolve/main/", &format!("/org/tiny/resolve/{COMMIT}/"));
        let known = path != request.path;
        if known { sound_answer(&Request { path, ..request.clone() }) } else { Reply::status(404) }
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let located = pulled(&machine, manifest).await.unwrap();
    assert_eq!(Record::of(&located.folder).unwrap().source, other);
}

#[tokio::test]
async fn only_what_was_placed_is_removed() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    let registry = machine.registry(&[tiny()]);
    let error = registry.remove("tiny").unwrap_err().to_string();
    assert!(error.contains("is not on this machine, so nothing is removed"), "{error}");

    registry.pull("tiny", &no_progress).await.unwrap();
    let entry = registry.list().unwrap().remove(0);
    assert_eq!((entry.here, entry.folder), (true, Some(machine.place("tiny"))));
    assert_eq!(entry.bytes, (weights().len() + CONFIG.len()) as u64);
    registry.remove("tiny").unwrap();
    assert!(!machine.place("tiny").exists());
    assert!(!registry.list().unwrap().remove(0).here);

    registry.pull("tiny", &no_progress).await.unwrap();
    write(&machine.place("tiny").join("notes.txt"), b"mine");
    registry.remove("tiny").unwrap();
    let left: Vec<_> = fs::read_dir(machine.place("tiny")).unwrap().collect();
    assert_eq!(left.len(), 1, "a file of the user's stays");
    fs::remove_dir_all(machine.place("tiny")).unwrap();

    let cached = machine.folder.path().join("hub/models--org--tiny/snapshots").join(COMMIT);
    lay(&cached);
    let error = registry.remove("tiny").unwrap_err().to_string();
    assert!(error.contains("which is not Portolan's to delete"), "{error}");
    assert!(cached.join("model.safetensors").exists());
}

#[tokio::test]
async fn parts_are_pulled_one_after_another() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    let part = |name: &str| Manifest { name: name.into(), ..tiny() };
    let pair = Manifest {
        parts: vec!["one".into(), "two".into()],
        files: Vec::new(),
        sources: Vec::new(),
        ..part("pair")
    };
    let registry = machine.registry(&[part("one"), part("two"), pair]);
    let located = registry.pull("pair", &no_progress).await.unwrap();
    assert_eq!(located.parts.len(), 2);
    assert_eq!(machine.models_seen(), ["one", "two"]);
}
