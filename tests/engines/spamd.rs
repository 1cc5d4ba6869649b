//! SpamAssassin: its score is weighed, and it is shown the envelope.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use reprieve::filter::engine::{Place, Settings, Use, spamd};
use tempfile::TempDir;

use crate::daemon::{Daemon, fake, free_port, place};
use crate::mail::{envelope, filter, mail};

const RULES: &str = r"
required_score 5
use_bayes 0
dns_available no
body OWN_MARKER /spamd-only-marker/
score OWN_MARKER 7.5
header OWN_PATH EnvelopeFrom =~ /^bob\@sender\.example$/
score OWN_PATH 0.25
header OWN_CLIENT X-Spam-Relays-External =~ / ip=192\.0\.2\.1 .* helo=mta\.sender\.example /
score OWN_CLIENT 0.25
";

fn settings(servers: Vec<Place>, size: usize) -> Settings {
    let chosen = spamd::Settings {
        servers,
        timeout: Duration::from_mins(1),
        user: None,
        size,
        host: "mx.demo.example".into(),
    };
    let how = Use { must_answer: true, ..Use::default() };
    Settings { spamd: Some((chosen, how)), ..Settings::default() }
}

/// A private spamd without network tests.
fn start() -> Option<(Daemon, TempDir, Place)> {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(at("rules")).unwrap();
    fs::write(at("rules/own.pre"), "loadplugin Mail::SpamAssassin::Plugin::Check\n").unwrap();
    fs::write(at("rules/own.cf"), RULES).unwrap();
    let port = free_port();
    let (rules, listen, pid) = (at("rules"), format!("--listen=127.0.0.1:{port}"), at("pid"));
    let site = format!("--siteconfigpath={rules}");
    let arguments = [
        "-L",
        "-x",
        &listen,
        "-C",
        &rules,
        &site,
        "-m",
        "1",
        "--min-children=1",
        "-u",
        "nobody",
        "-r",
        &pid,
        "--syslog=stderr",
    ];
    let daemon = Daemon::start("/usr/sbin/spamd", &arguments, "successfully spawned child")?;
    Some((daemon, folder, place(port)))
}

#[tokio::test]
async fn its_score_is_weighed_and_the_envelope_is_shown() {
    let Some((_daemon, _folder, place)) = start() else { return };
    let filter = filter(settings(vec![place], 1 << 20));
    let found = filter.examine(&envelope(), &mail("spamd-only-marker"), false).await.unwrap();
    let finding = found.findings.iter().find(|one| one.id == "spamassassin").expect("a finding");
    assert!((finding.weight - 8.0).abs() < 0.01, "{finding:?}");
    let symbols = &finding.terms.iter().find(|term| term.name == "symbols").unwrap().text;
    assert_eq!(symbols, "OWN_CLIENT, OWN_MARKER, OWN_PATH");
    let calm = filter.examine(&envelope(), &mail("Hello"), false).await.unwrap();
    let weight = calm.findings.iter().find(|one| one.id == "spamassassin").unwrap().weight;
    assert!((weight - 0.5).abs() < 0.01, "{weight}");
}

#[tokio::test]
async fn over_its_size_it_is_not_asked_and_its_errors_are_silence() {
    let gone = filter(settings(vec![place(free_port())], 100));
    gone.examine(&envelope(), &mail("Hello"), false).await.expect("too large for it");
    let busy = fake(b"Hello\r\n", Some(b"SPAMD/1.1 75 EX_TEMPFAIL\r\n\r\n")).await;
    let filter = filter(settings(vec![busy], 1 << 20));
    assert!(filter.examine(&envelope(), &mail("Hello"), false).await.is_err());
}
