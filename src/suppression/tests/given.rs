//! Servers and how each is given its list: files that are replaced, rolled
//! back and drift; live lookups.

use std::fmt::Write as _;

use tempfile::TempDir;

use super::*;

#[tokio::test]
async fn a_map_file_is_replaced_whole_numbered_and_rolled_back() {
    let (_folder, path, list) = with_map(list(), "a@far.example").await;
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    let dry = list.distribute(1, "admin", true).await.unwrap();
    assert_eq!((dry.version, dry.added, path.exists()), (1, 2, false));
    list.distribute(1, "admin", false).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# reprieve version 1:"), "{text}");
    assert!(text.contains("\na@far.example 554 5.7.1 "), "{text}");

    list.release(1, &address("a@far.example"), "admin").await.unwrap();
    list.add(1, &address("c@far.example"), "test").await.unwrap();
    let second = list.distribute(1, "admin", false).await.unwrap();
    assert_eq!((second.version, second.added, second.removed, second.addresses), (2, 1, 1, 2));
    let changes = list.changes(1, 2, 10).await.unwrap();
    assert_eq!(changes.added, ["c@far.example"]);
    assert_eq!(changes.removed, ["a@far.example"]);
    let first = list.changes(1, 1, 1).await.unwrap();
    assert_eq!((first.added, first.removed.len()), (vec!["a@far.example".to_owned()], 0));
    assert_eq!(list.changes(1, 3, 10).await, Err(Refused::NoVersion(3)));
    assert_eq!(list.changes(OWN, 1, 10).await, Err(Refused::NoVersions));
    assert_eq!(list.distribute(1, "admin", false).await.unwrap().added, 0, "nothing changed");
    assert_eq!(list.distributions(1).await.unwrap().len(), 2);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);

    list.roll_back(1, 1, "test").await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("a@far.example"));
    assert!(list.roll_back(1, 7, "test").await.is_err());
    list.step().await.unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("version 1:"), "pinned");
    list.resume(1, "test").await.unwrap();
    for (version, spoilt) in [(3, &b"somebody else's\n"[..]), (4, b"no text: \xff\n\xe4 b\n")] {
        std::fs::write(&path, spoilt).unwrap();
        assert!(matches!(list.drift(1).await.unwrap(), distribute::Drift::Changed(_)));
        list.step().await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("# reprieve version {version}:")), "{text}");
    }
}

#[tokio::test]
async fn a_reload_that_fails_keeps_the_old_version_and_rings() {
    let (folder, path, list) = with_map(list(), "a@far.example").await;
    list.step().await.unwrap();
    // What the systemd service does once Postfix has read the file.
    let reload = || {
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(folder.path().join("blocked.read"), text.lines().next().unwrap()).unwrap();
    };
    reload();
    list.step().await.unwrap();
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);

    list.add(1, &address("b@far.example"), "test").await.unwrap();
    list.step().await.unwrap();
    let behind = distribute::Drift::Behind { has: 1, last: 2 };
    assert_eq!(list.drift(1).await.unwrap(), behind);
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    list.clock().advance(SignedDuration::from_mins(2));
    list.step().await.unwrap();
    let server = list.server(1).await.unwrap().record;
    assert_eq!(server.trouble.as_deref(), Some("it has not read version 2"));
    assert_eq!((server.version, server.acknowledged), (2, 1));
    reload();
    list.step().await.unwrap();
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
}

/// Whoever opens the file at any moment reads one whole version.
#[tokio::test(flavor = "multi_thread")]
async fn a_map_file_is_never_seen_half_written() {
    let list = Suppression::new(Store::in_memory(), Clock::system());
    let (_folder, path, list) = with_map(list, "first@far.example").await;
    list.distribute(1, "test", false).await.unwrap();
    let addresses = |version: u64| if version == 1 { 1 } else { 2_000 * (version - 1) + 1 };
    let (reading, done) =
        (path.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let ended = std::sync::Arc::clone(&done);
    let (begins, begun) = tokio::sync::oneshot::channel();
    let reader = tokio::task::spawn_blocking(move || {
        let (mut seen, mut begins) = (std::collections::BTreeSet::new(), Some(begins));
        while !ended.load(std::sync::atomic::Ordering::Relaxed) {
            let text = std::fs::read_to_string(&reading).unwrap();
            let version = text.strip_prefix("# reprieve version ").unwrap();
            let version: u64 = version.split(':').next().unwrap().parse().unwrap();
            assert!(text.ends_with('\n'));
            assert_eq!(text.lines().count() as u64, addresses(version) + 1, "{version}");
            seen.insert(version);
            if let Some(begins) = begins.take() {
                begins.send(()).unwrap();
            }
        }
        seen
    });
    begun.await.unwrap();
    for version in 2..=6 {
        let mut lines = String::new();
        for n in 0..2_000 {
            writeln!(lines, "user{n}.{version}@far.example").unwrap();
        }
        list.roll(1).merge(&lines);
        list.distribute(1, "test", false).await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(!reader.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_cdb_file_follows_its_text() {
    let (folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    let made = folder.path().join("blocked.cdb");
    let holds = |address: &str| {
        let bytes = std::fs::read(&made).unwrap();
        memchr::memmem::find(&bytes, format!("{address}554 5.7.1").as_bytes()).is_some()
    };
    assert_eq!(list.distribute(1, "test", true).await.unwrap().added, 1);
    assert!(!made.exists(), "only said");
    list.step().await.unwrap();
    assert!(holds("a@far.example"));
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
    assert_eq!(list.server(1).await.unwrap().record.acknowledged, 1);
    list.release(1, &address("a@far.example"), "test").await.unwrap();
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example") && !holds("a@far.example"));
    list.roll_back(1, 1, "test").await.unwrap();
    assert!(holds("a@far.example") && !holds("b@far.example"));
    list.resume(1, "test").await.unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example"), "the newest again");
    for spoil in [&made, &path] {
        std::fs::write(spoil, "somebody else's").unwrap();
        assert!(matches!(list.drift(1).await.unwrap(), distribute::Drift::Changed(_)));
        list.step().await.unwrap();
        assert!(holds("b@far.example"));
        assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
    }
    std::fs::remove_file(&made).unwrap();
    list.step().await.unwrap();
    assert!(holds("b@far.example"), "written again");
    // A type that it was not before is made of the same list.
    std::fs::remove_file(&made).unwrap();
    let texthash = format!("texthash:{}", path.display());
    for way in [texthash, format!("cdb:{}", path.display())] {
        let way = change::Change { id: 1, way: Some(way), ..change::Change::default() };
        list.change(way, "test").await.unwrap();
        list.step().await.unwrap();
    }
    assert!(holds("b@far.example"));
}

/// A map file that cannot be made: the old one stays, and the log rings.
#[tokio::test]
async fn a_cdb_that_cannot_be_written_keeps_the_old_one() {
    let (folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    list.step().await.unwrap();
    let text = std::fs::read(&path).unwrap();
    std::fs::create_dir(folder.path().join("blocked.cdb.new")).unwrap();
    list.add(1, &address("b@far.example"), "test").await.unwrap();
    let refused = list.distribute(1, "test", false).await.unwrap_err();
    assert!(matches!(refused, Refused::Unwritable(_)), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), text);
    let trouble = list.server(1).await.unwrap().record.trouble.unwrap();
    assert!(trouble.starts_with("the list cannot be written"), "{trouble}");
    std::fs::remove_dir(folder.path().join("blocked.cdb.new")).unwrap();
    list.step().await.unwrap();
    assert_eq!(list.server(1).await.unwrap().record.trouble, None);
    assert_eq!(list.drift(1).await.unwrap(), distribute::Drift::None);
}

/// Two distributions at once, the worker's and a person's, write one file.
#[tokio::test(flavor = "multi_thread")]
async fn two_distributions_at_once_are_one_after_the_other() {
    let (_folder, path, list) = with_map_of(list(), "cdb", "a@far.example").await;
    let mut lines = String::new();
    for n in 0..20_000 {
        writeln!(lines, "user{n}@far.example").unwrap();
    }
    list.roll(1).merge(&lines);
    let other = list.clone();
    let other = tokio::spawn(async move { other.distribute(1, "other", false).await });
    let one = list.distribute(1, "test", false).await.unwrap();
    let other = other.await.unwrap().unwrap();
    assert!(one.written != other.written, "{one:?} {other:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!((text.lines().count(), list.distributions(1).await.unwrap().len()), (20_002, 1));
}

#[tokio::test]
async fn no_two_servers_have_one_name_or_one_file() {
    let list = list();
    let change = |id, name: &str, way: &str| change::Change {
        id,
        name: Some(name.to_owned()),
        way: Some(way.to_owned()),
        ..change::Change::default()
    };
    let next = change::Change::NEXT;
    list.change(change(next, "mx1", "texthash:/etc/a"), "test").await.unwrap();
    for (name, way, taken) in
        [("mx1", "socketmap", "mx1"), ("own", "socketmap", "own"), ("mx2", "cdb:/etc/a", "/etc/a")]
    {
        let refused = list.change(change(next, name, way), "test").await.map(|_| ());
        assert_eq!(refused, Err(Refused::Taken(taken.to_owned())));
    }
    list.change(change(next, "mx2", "cdb:/etc/b"), "test").await.unwrap();
    let refused = list.change(change(2, "mx1", "cdb:/etc/b"), "test").await.map(|_| ());
    assert_eq!(refused, Err(Refused::Taken("mx1".to_owned())));
    assert_eq!(list.servers().await.unwrap().len(), 3);
    // Its own are its own.
    list.change(change(2, "mx2", "texthash:/etc/b"), "test").await.unwrap();
}

/// Two people change a server: what one of them did not touch stays as the
/// other has made it.
#[tokio::test]
async fn no_change_of_a_server_undoes_another() {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::FutureExt;

    let (_folder, _path, list) = with_map(list(), "a@far.example").await;
    list.distribute(1, "test", false).await.unwrap();
    for act in ["distribute", "roll back", "resume", "change", "run"] {
        list.add(1, &address(&format!("{}@far.example", act.replace(' ', "."))), "x")
            .await
            .unwrap();
        let before = list.server(1).await.unwrap().record;
        let first = AtomicBool::new(true);
        // Between what an act has read and what it writes.
        let also = |_: &mut Batch| {
            if first.swap(false, Ordering::Relaxed) {
                let other = list.edit_server(1, "other", |server| {
                    server.settings.strike_hours += 1;
                    Ok(())
                });
                other.now_or_never().unwrap().unwrap();
            }
        };
        let by = By { login: "test", also: &also };
        match act {
            "distribute" => list.distribute(1, by, false).await.map(|_| ()).unwrap(),
            "roll back" => list.roll_back(1, 1, by).await.unwrap(),
            "resume" => list.resume(1, by).await.unwrap(),
            "change" => {
                let change = change::Change {
                    id: 1,
                    name: Some("renamed".to_owned()),
                    ..change::Change::default()
                };
                list.change(change, by).await.map(|_| ()).unwrap();
            }
            _ => list.run(1, by).await.map(|_| ()).unwrap(),
        }
        let after = list.server(1).await.unwrap().record;
        let hours = before.settings.strike_hours + 1;
        assert_eq!(after.settings.strike_hours, hours, "{act}");
        assert_ne!(Server { settings: before.settings.clone(), ..after }, before, "{act}");
    }
    let server = list.server(1).await.unwrap().record;
    assert_eq!((server.version, server.pinned, &server.name[..]), (2, false, "renamed"));
    assert_eq!(
        list.add_server(&Server::new(1, "mx", Way::Socketmap), "test").await,
        Err(Refused::ServerKnown(1))
    );
}

#[tokio::test]
async fn the_socketmap_answers_and_a_release_is_at_once() {
    let list = list();
    list.add_server(&Server::new(2, "mx2", Way::Socketmap), "test").await.unwrap();
    list.add(2, &address("a@far.example"), "test").await.unwrap();
    let (mut client, server) = tokio::io::duplex(4096);
    let serving = {
        let list = list.clone();
        tokio::spawn(async move { socketmap::session(&list, server).await })
    };
    let mut ask = async |question: &str| {
        let request = format!("{}:{question},", question.len());
        client.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 1000];
        let read = client.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    assert!(ask("mx2 A@far.example").await.contains(":OK 554 5.7.1 "));
    assert_eq!(ask("2 b@far.example").await, "9:NOTFOUND ,");
    assert_eq!(ask("mx2 far.example").await, "9:NOTFOUND ,");
    assert_eq!(ask("own a@far.example").await, "9:NOTFOUND ,");
    assert!(ask("mx9 a@far.example").await.contains("PERM"));
    list.release(2, &address("a@far.example"), "admin").await.unwrap();
    assert_eq!(ask("mx2 a@far.example").await, "9:NOTFOUND ,");
    list.add(2, &address("\"b c\"@far.example"), "test").await.unwrap();
    assert!(ask("mx2 <\"B c\"@Far.example>").await.contains(":OK "));
    let renamed = change::Change { id: 2, name: Some("mx3".to_owned()), ..Default::default() };
    list.change(renamed, "test").await.unwrap();
    assert!(ask("mx2 b@far.example").await.contains("PERM"), "no server has this name now");
    assert_eq!(ask("mx3 b@far.example").await, "9:NOTFOUND ,");
    client.write_all(b"99999:x,").await.unwrap();
    assert!(serving.await.unwrap().is_err(), "a request too long ends the session");
}

/// Server 1 takes a map file, which is to hold this address.
async fn with_map(list: Suppression, first: &str) -> (TempDir, PathBuf, Suppression) {
    with_map_of(list, "texthash", first).await
}

async fn with_map_of(list: Suppression, map: &str, first: &str) -> (TempDir, PathBuf, Suppression) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked");
    let map = Way::map_file(&format!("{map}:{}", path.display())).unwrap();
    list.add_server(&Server::new(1, "mx1", map), "test").await.unwrap();
    list.add(1, &address(first), "test").await.unwrap();
    (folder, path, list)
}
