//! ClamAV: infected is refused, silent is deferred, unscanned is never clean.

use std::fs;
use std::time::Duration;

use reprieve::filter::Class;
use reprieve::filter::engine::{Place, Settings, clamd};
use reprieve::maillog::Maillog;
use tempfile::TempDir;

use crate::daemon::{Daemon, fake, free_port, place};
use crate::mail::{envelope, filter, mail};

const CLAMD: &str = "/usr/sbin/clamd";
/// Our own signature finds this; nothing else does.
const MARKER: &str = "clamd-only-marker-4711";
/// The end of an INSTREAM.
const END: &[u8] = &[0, 0, 0, 0];

fn settings(servers: Vec<Place>) -> Settings {
    let clamd = clamd::Settings { servers, timeout: Duration::from_mins(1), size: 1 << 20 };
    Settings { clamd: Some(clamd), ..Settings::default() }
}

/// A private clamd: the folder, its port, its socket.
fn start() -> Option<(Daemon, TempDir, Vec<Place>)> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("signatures")).unwrap();
    let hex = |text: &str| text.bytes().fold(String::new(), |hex, b| hex + &format!("{b:02x}"));
    let own = format!("Reprieve.Test.Marker:0:*:{}\n", hex(MARKER));
    fs::write(at("signatures/own.ndb"), own).unwrap();
    // The digest, size and name of the EICAR test file.
    let eicar = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n";
    fs::write(at("signatures/own.hdb"), eicar).unwrap();
    let port = free_port();
    let configuration = format!(
        "Foreground yes\nTCPSocket {port}\nTCPAddr 127.0.0.1\nLocalSocket {}\n\
         DatabaseDirectory {}\nAlertEncrypted yes\n",
        at("clamd.ctl").display(),
        at("signatures").display(),
    );
    fs::write(at("clamd.conf"), configuration).unwrap();
    let argument = format!("--config-file={}", at("clamd.conf").display());
    let daemon = Daemon::start(CLAMD, &[&argument], "Self checking every")?;
    let places = vec![place(port), Place::Unix(at("clamd.ctl"))];
    Some((daemon, folder, places))
}

#[tokio::test]
async fn infected_mail_is_malware_over_tcp_and_over_a_socket() {
    let Some((_daemon, _folder, places)) = start() else { return };
    for place in places {
        let filter = filter(settings(vec![place]));
        let infected = mail(&format!("Please read this: {MARKER}"));
        let found = filter.examine(&envelope(), &infected, false).await.unwrap();
        assert_eq!(found.classes.first(), Some(&Class::Malware), "{found:?}");
        let malware = found.findings.iter().find(|one| one.id == "malware").unwrap();
        assert_eq!(malware.terms[0].text, "Reprieve.Test.Marker.UNOFFICIAL");
        // Outgoing mail, and released mail before it is delivered.
        let again = filter.examine(&envelope(), &infected, true).await.unwrap();
        assert_eq!(again.classes, [Class::Malware]);
        let clean = filter.examine(&envelope(), &mail("Nothing here"), false).await.unwrap();
        assert!(clean.classes.is_empty(), "{clean:?}");
    }
}

#[tokio::test]
async fn eicar_in_base64_is_found_by_clamd_itself() {
    let Some((_daemon, _folder, places)) = start() else { return };
    // Our own look finds this file too; here it is clamd that names it.
    let body = "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJV\r\n\
                Uy1URVNULUZJTEUhJEgrSCo=";
    let head = "From: bob@sender.example\r\nMIME-Version: 1.0\r\n\
                Content-Type: application/octet-stream; name=e.dat\r\n\
                Content-Transfer-Encoding: base64\r\n\r\n";
    let eicar = reprieve::mail::Message::new(format!("{head}{body}\r\n").into());
    let found = filter(settings(places)).examine(&envelope(), &eicar, false).await.unwrap();
    let names: Vec<&str> = found
        .findings
        .iter()
        .filter(|one| one.id == "malware")
        .map(|one| one.terms[0].text.as_str())
        .collect();
    assert!(names.contains(&"Eicar-Test-Signature.UNOFFICIAL"), "{names:?}");
}

#[tokio::test]
async fn m_scanner_silent_means_defer() {
    let hangs = fake(END, None).await;
    let odd = fake(END, Some(b"stream: Can't allocate memory ERROR\0")).await;
    let gone = place(free_port());
    for server in [hangs, odd, gone] {
        let mut settings = settings(vec![server]);
        settings.clamd.as_mut().unwrap().timeout = Duration::from_millis(200);
        settings.maillog = Maillog::default();
        let log = settings.maillog.clone();
        let filter = filter(settings);
        for outgoing in [false, true] {
            let said = filter.examine(&envelope(), &mail("Hello"), outgoing).await;
            assert!(said.is_err(), "silence is no verdict");
        }
        let counted = log.encode();
        assert!(counted.contains("reprieve_engines_silent_total{engine=\"clamd\"} 2"), "{counted}");
    }
}

#[tokio::test]
async fn a_second_server_answers_for_a_silent_one() {
    let clean = fake(END, Some(b"stream: OK\0")).await;
    let filter = filter(settings(vec![place(free_port()), clean]));
    for _ in 0..4 {
        let found = filter.examine(&envelope(), &mail("Hello"), false).await.unwrap();
        assert!(found.classes.is_empty());
    }
}

#[tokio::test]
async fn i_07_what_is_over_a_limit_is_never_clean() {
    // Over our own limit: the scanner is not even asked.
    let long = mail(&"A line of text.\r\n".repeat(70_000));
    let silent = filter(settings(vec![place(free_port())]));
    let found = silent.examine(&envelope(), &long, false).await.unwrap();
    assert!(found.found("unscanned-limit"));
    assert_eq!(found.classes, [Class::Unscannable]);
    // Over clamd's.
    let limited = fake(END, Some(b"INSTREAM size limit exceeded. ERROR\0")).await;
    let filter = filter(settings(vec![limited]));
    let found = filter.examine(&envelope(), &mail("Hello"), false).await.unwrap();
    assert_eq!(found.classes, [Class::Unscannable]);
}
