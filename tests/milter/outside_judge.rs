//! M-17: Debian's `miltertest` (OpenDKIM's) as an unmodified judge from
//! outside; each script of `tests/peers/milter/` is one conversation.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{furnish, postfix};
use reprieve::clock::Clock;
use reprieve::gateway::{Config, Gateway, Sockets};

#[tokio::test(flavor = "multi_thread")]
async fn m_17_miltertest_is_content() {
    if !Path::new("/usr/bin/miltertest").exists() {
        assert!(std::env::var_os("CI").is_none(), "needs miltertest");
        eprintln!("skipped: needs Debian's miltertest");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (milter, portal) = (bind(), bind());
    let address = milter.local_addr().unwrap();
    let text = super::config(postfix::free_port(), portal.local_addr().unwrap());
    let config = Config::parse(&text, folder.path(), &[]).unwrap();
    let sockets = Sockets {
        smtp: vec![bind()],
        milter: vec![milter],
        portal: Some(portal),
        operations: Some(bind()),
        ..Sockets::default()
    };
    let gateway = Gateway::start(config, sockets, Clock::system()).await.unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/milter");
    let mut judged = 0;
    for entry in fs::read_dir(scripts).unwrap() {
        let script = entry.unwrap().path();
        let run = {
            let script = script.clone();
            move || {
                Command::new("/usr/bin/miltertest")
                    .arg("-D")
                    .arg(format!("socket=inet:{}@127.0.0.1", address.port()))
                    .arg("-s")
                    .arg(script)
                    .output()
                    .unwrap()
            }
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        assert!(output.status.success(), "{}: {output:?}", script.display());
        judged += 1;
    }
    assert!(judged >= 4, "only {judged} scripts were found");
    gateway.stop().await;
}
