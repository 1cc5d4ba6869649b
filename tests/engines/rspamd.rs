//! rspamd: its symbols are found, its silence is counted, its action followed
//! only where it is to be.

use std::fs;
use std::time::Duration;

use reprieve::filter::Class;
use reprieve::filter::engine::{Place, Settings, Use, rspamd};
use reprieve::maillog::Maillog;
use tempfile::TempDir;

use crate::daemon::{Daemon, fake, free_port, place};
use crate::mail::{envelope, filter, mail};

/// Adds its symbol to mail that carries the marker, and tells what it knows
/// of the envelope.
const RULES: &str = r"
rspamd_config:register_symbol({ name = 'OWN_MARKER', score = 7.5, callback = function(task)
  return tostring(task:get_content()):find('rspamd%-only%-marker') and true or false
end })
rspamd_config:register_symbol({ name = 'OWN_ENVELOPE', score = 0.1, callback = function(task)
  local from = task:get_from('smtp')
  return tostring(task:get_from_ip()) == '192.0.2.1'
    and from ~= nil and from[1].addr == 'bob@sender.example'
    and task:get_helo() == 'mta.sender.example'
    and task:get_queue_id() == 'test-1'
    and #task:get_recipients('smtp') == 1
end })
";

fn settings(servers: Vec<Place>, how: Use) -> Settings {
    let timeout = Duration::from_mins(1);
    let rspamd = rspamd::Settings { servers, timeout, password: Some("secret".into()) };
    Settings { rspamd: Some((rspamd, how)), ..Settings::default() }
}

/// A private rspamd that asks nobody.
fn start() -> Option<(Daemon, TempDir, Place)> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("own.lua"), RULES).unwrap();
    let port = free_port();
    let configuration = format!(
        r#"options {{ pidfile = "{}"; filters = []; cache_file = "{}"; hs_cache_dir = "{}";
            control_socket = "{} mode=0600"; dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; }} }}
        logging {{ type = "console"; level = "info"; }}
        lua = "{}";
        worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
        actions {{ reject = 15; add_header = 6; }}"#,
        at("pid"),
        at("cache"),
        folder.path().display(),
        at("control"),
        at("own.lua"),
    );
    fs::write(at("rspamd.conf"), configuration).unwrap();
    let conf = at("rspamd.conf");
    let arguments = ["-f", "-c", &conf, "--insecure"];
    let daemon = Daemon::start("/usr/bin/rspamd", &arguments, "starting normal process")?;
    Some((daemon, folder, place(port)))
}

#[tokio::test]
async fn its_symbols_are_found_and_its_action_is_followed_where_it_says_so() {
    let Some((_daemon, _folder, place)) = start() else { return };
    let weighing = filter(settings(vec![place.clone()], Use::default()));
    let marked = mail("rspamd-only-marker");
    let found = weighing.examine(&envelope(), &marked, false).await.unwrap();
    let finding = found.findings.iter().find(|one| one.id == "rspamd").expect("a finding");
    assert!((finding.weight - 0.8 * 7.6).abs() < 0.01, "{finding:?}");
    let symbols = &finding.terms.iter().find(|term| term.name == "symbols").unwrap().text;
    assert_eq!(symbols, "OWN_MARKER 7.5, OWN_ENVELOPE 0.1", "the envelope went with it");

    let calm = weighing.examine(&envelope(), &mail("Hello"), false).await.unwrap();
    let weight = calm.findings.iter().find(|one| one.id == "rspamd").unwrap().weight;
    assert!(weight < 0.1, "{weight}");

    let follow = Use { follow: Some(50.0), ..Use::default() };
    let following = filter(settings(vec![place.clone()], follow));
    let found = following.examine(&envelope(), &marked, false).await.unwrap();
    let weight = found.findings.iter().find(|one| one.id == "rspamd").unwrap().weight;
    assert!((weight - 50.0).abs() < 0.01, "`add header` is followed: {weight}");

    let how = Use { phishing: vec!["OWN_MARKER".into()], ..Use::default() };
    let found = filter(settings(vec![place], how)).examine(&envelope(), &marked, false).await;
    assert_eq!(found.unwrap().classes, [Class::Phishing]);
}

#[tokio::test]
async fn m_a_silent_engine_is_counted_and_waited_for_only_where_it_must_answer() {
    let hangs = fake(b"Hello\r\n", None).await;
    let odd = fake(b"Hello\r\n", Some(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")).await;
    let busy = fake(b"Hello\r\n", Some(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")).await;
    for server in [hangs, odd, busy, place(free_port())] {
        for must_answer in [false, true] {
            let how = Use { must_answer, ..Use::default() };
            let mut settings = settings(vec![server.clone()], how);
            settings.rspamd.as_mut().unwrap().0.timeout = Duration::from_millis(300);
            settings.maillog = Maillog::default();
            let log = settings.maillog.clone();
            let said = filter(settings).examine(&envelope(), &mail("Hello"), false).await;
            assert_eq!(said.is_err(), must_answer, "{server}");
            let counted = log.encode();
            assert!(counted.contains("engines_silent_total{engine=\"rspamd\"} 1"), "{counted}");
        }
    }
}

#[tokio::test]
async fn outgoing_mail_is_not_weighed() {
    let how = Use { must_answer: true, ..Use::default() };
    let filter = filter(settings(vec![place(free_port())], how));
    filter.examine(&envelope(), &mail("Hello"), true).await.unwrap();
}
