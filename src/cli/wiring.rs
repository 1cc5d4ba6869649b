//! `reprieve check`: whether the running gateway and its neighbours are wired
//! together. Each door is asked in its own protocol, and with `--mail` a test
//! mail takes the real way: in by the MTA, past us, and its answer back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::demo::client::{Answer, Browser, Sender};
use crate::gateway::{Config, MilterAt};
use crate::mail::{Address, trace};

const PATIENCE: Duration = Duration::from_secs(5);
/// The test string that is held whoever sends it.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/// Counts every message that reached us.
const RECEIVED: &str = "reprieve_received_total";

type Said = (bool, String);

/// Our own doors.
pub(super) fn doors(config: &Config) -> Vec<Said> {
    let smtp = config.listen.smtp.iter().map(|at| match greets(*at) {
        Ok(()) => (true, format!("listen.smtp: {at} greets")),
        Err(error) => (false, format!("listen.smtp: {at}: {error}; is reprieve serve running?")),
    });
    let milter = config.milter.listen.iter().map(|at| {
        let (name, asked) = match at {
            MilterAt::Tcp(address) => (address.to_string(), connect(*address).and_then(negotiate)),
            MilterAt::Unix(path) => {
                (path.display().to_string(), UnixStream::connect(path).and_then(negotiate))
            }
        };
        match asked {
            Ok(()) => (true, format!("milter.listen: {name} negotiates as a milter")),
            Err(error) => (
                false,
                format!("milter.listen: {name}: {error}; is reprieve serve running, and may this machine connect (milter.allow)?"),
            ),
        }
    });
    smtp.chain(milter).collect()
}

/// Sends a test mail that must be held through the MTA at `mta`, and says
/// what its answer proves.
pub(super) async fn mail(config: &Config, to: &Address, mta: SocketAddr) -> Vec<Said> {
    if !config.organisations.iter().any(|one| one.domains.contains(to.domain())) {
        return vec![(false, format!("--mail: no organisation serves {}", to.domain()))];
    }
    let before = received(config).await;
    let answer = match send(config, to, mta).await {
        Ok(answer) => answer,
        Err(error) => return vec![(false, format!("--mail: {mta} took no mail: {error}"))],
    };
    let after = received(config).await;
    let seen = match (before, after) {
        (Some(before), Some(after)) => Some(after > before),
        _ => None,
    };
    vec![proved(config, mta, &answer, seen)]
}

/// What the MTA's answer, and our own count, say about the wiring.
fn proved(config: &Config, mta: SocketAddr, answer: &Answer, seen: Option<bool>) -> Said {
    let Answer { code, text } = answer;
    let link = text.contains(&config.portal.url);
    match (code, seen) {
        (550 | 451, _) if link => {
            (true, format!("the test mail was held, and {mta} gave our link to its sender"))
        }
        (250, Some(true)) => (
            false,
            format!(
                "{mta} asked us and took the test mail, but did not refuse it: its client counts as \
                 our own (networks.own, or the MTA authenticated it), or senders are told by letter"
            ),
        ),
        (250, Some(false)) => (
            false,
            format!(
                "{mta} took the test mail without asking us: smtpd_milters (or the proxy filter) is \
                 missing in its configuration, or it was not reloaded"
            ),
        ),
        (250, None) => (
            false,
            format!(
                "{mta} took the test mail; whether it asked us cannot be told, because {} does not answer",
                config.listen.operations
            ),
        ),
        (400..=499, Some(true)) => (
            false,
            format!(
                "we put the test mail off, by way of {mta}: {code} {text}; our log says why (a resolver or a scanner that does not answer does this)"
            ),
        ),
        (400..=499, _) => (
            false,
            format!(
                "{mta} puts the test mail off: {code} {text}; its log says why (a milter that it cannot reach does this)"
            ),
        ),
        _ => (false, format!("{mta} refuses the test mail, and not in our words: {code} {text}")),
    }
}

async fn send(config: &Config, to: &Address, mta: SocketAddr) -> std::io::Result<Answer> {
    let host = &config.smtp.hostname;
    let from = format!("reprieve-check@{host}");
    let now = crate::clock::Timestamp::now();
    let message = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Test of the wiring by reprieve check\r\n\
         Date: {}\r\nMessage-ID: <{}@{host}>\r\n\r\nThis mail must be held:\r\n{GTUBE}\r\n",
        trace::date(now),
        now.as_microsecond(),
    );
    let sending = async {
        let mut sender = Sender::connect(mta, host.as_str()).await?;
        sender.send(&from, &[&to.to_string()], message.as_bytes()).await
    };
    let late = |_| std::io::Error::other("it does not answer within 5 minutes");
    tokio::time::timeout(Duration::from_mins(5), sending).await.map_err(late)?
}

/// How many messages the running gateway has had.
async fn received(config: &Config) -> Option<u64> {
    let url = format!("http://{}/metrics", config.listen.operations);
    let page = Browser::default().open(&url).await.ok()?;
    let line = page.body.lines().find_map(|line| line.strip_prefix(RECEIVED))?;
    line.trim().parse().ok()
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// RFC 5321 section 4.3.1.
fn greets(address: SocketAddr) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(connect(address)?.take(1000)).read_line(&mut line)?;
    match line.trim_end() {
        good if good.starts_with("220") => Ok(()),
        "" => Err(std::io::Error::other("it closes the connection")),
        other => Err(std::io::Error::other(format!("it says {other:?}"))),
    }
}

/// The first packet of the milter protocol, and its answer's letter.
fn negotiate(mut stream: impl Read + Write) -> std::io::Result<()> {
    let numbers = [6_u32, 0x1ff, 0x001f_ffff].map(u32::to_be_bytes).concat();
    stream.write_all(&[&[0, 0, 0, 13, b'O'], &numbers[..]].concat())?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    match answer[4] {
        b'O' => Ok(()),
        _ => Err(std::io::Error::other("it does not speak the milter protocol")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_the_mta_has_its_sentence() {
        let folder = std::path::Path::new("/");
        let config = Config::parse(crate::gateway::MINIMAL, folder, &[]).unwrap();
        let mta: SocketAddr = ([127, 0, 0, 1], 25).into();
        let link = format!("5.7.1 blocked: {}/r/x", config.portal.url);
        for (code, text, seen, good, word) in [
            (550, link.as_str(), None, true, "gave our link"),
            (451, link.as_str(), None, true, "gave our link"),
            (250, "2.0.0 Ok", Some(true), false, "networks.own"),
            (250, "2.0.0 Ok", Some(false), false, "smtpd_milters"),
            (250, "2.0.0 Ok", None, false, "cannot be told"),
            (451, "4.7.1 Service unavailable", Some(false), false, "puts the test mail off"),
            (451, "4.7.1 cannot be checked", Some(true), false, "we put the test mail off"),
            (550, "5.1.1 unknown", Some(false), false, "not in our words"),
        ] {
            let answer = Answer { code, text: text.to_owned() };
            let (is_good, sentence) = proved(&config, mta, &answer, seen);
            assert_eq!(is_good, good, "{code} {sentence}");
            assert!(sentence.contains(word), "{sentence}");
        }
    }
}
