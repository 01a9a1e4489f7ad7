//! Pulls by processes that know nothing of each other, and by one that is killed.

use std::process::{Child, Command, Stdio};

use super::fake_hub::{FakeHub, Reply, sound_answer};
use super::*;

const ENDPOINT: &str = "PORTOLAN_TEST_ENDPOINT";
const MODELS: &str = "PORTOLAN_TEST_MODELS";

/// What the other processes do: this test alone, in a run of its own.
#[tokio::test]
#[ignore = "is run by the tests beside it"]
async fn another_process() {
    let mut machine = Machine::at(&std::env::var(ENDPOINT).unwrap());
    machine.options.environment.models = std::env::var_os(MODELS).map(PathBuf::from);
    machine.registry(&[tiny()]).pull("tiny", &no_progress).await.unwrap();
}

fn start_another(machine: &Machine) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "registry::tests::processes::another_process"])
        .env(ENDPOINT, &machine.options.environment.hub_endpoint)
        .env(MODELS, machine.models())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits for what another process does.
async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}

#[tokio::test]
async fn processes_that_pull_at_once_all_succeed_and_fetch_once() {
    let hub = FakeHub::sound().await;
    let machine = Machine::at(&hub.endpoint);
    let mut others = [start_another(&machine), start_another(&machine)];
    for other in &mut others {
        let mut ended = None;
        until(|| {
            ended = other.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        assert!(ended.unwrap().success());
    }
    assert_eq!(hub.requests().len(), 2);
    machine.registry(&[tiny()]).find("tiny").unwrap();
    assert_eq!(machine.models_seen(), ["tiny"]);
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_no_model_and_no_lock() {
    let sent = 70_000;
    let hub = FakeHub::start(move |request| {
        let reply = sound_answer(request);
        let stalls = request.path.ends_with("model.safetensors") && request.earlier == 0;
        if stalls { Reply { cut: Some(sent), stall: true, ..reply } } else { reply }
    })
    .await;
    let machine = Machine::at(&hub.endpoint);
    let mut other = start_another(&machine);
    let partial = machine.models().join(".tiny.part/hub-aaaaaaaaaaaa/model.safetensors.partial");
    until(|| fs::metadata(&partial).is_ok_and(|of| of.len() == sent as u64)).await;
    assert!(Claim::attempt(&machine.models(), "tiny").unwrap().is_none(), "it is at work");
    other.kill().unwrap();
    other.wait().unwrap();

    let registry = machine.registry(&[tiny()]);
    assert!(matches!(registry.find("tiny").unwrap_err(), Error::NotHere { .. }));
    registry.pull("tiny", &no_progress).await.unwrap();
    assert_eq!(machine.models_seen(), ["tiny"]);
    let from: Vec<_> = hub.requests_for("model.safetensors").iter().map(|it| it.from).collect();
    assert_eq!(from, [None, Some(sent)]);
}
