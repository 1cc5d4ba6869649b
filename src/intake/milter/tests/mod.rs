//! The door with the real intake behind it, and an MTA that says what a test
//! wants said.

mod protocol;
mod returns;
mod verdicts;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::packet::{action, step};
use super::*;
use crate::intake::tests::{BAD, EICAR, GOOD, GTUBE, World};

/// Every action and step of version 6.
const ACTIONS: u32 = 0x1ff;
const STEPS: u32 = 0x001f_ffff;

/// An MTA's end of a connection.
struct Mta {
    stream: DuplexStream,
    /// Steps that were agreed on.
    steps: u32,
}

/// What came back, letter and content.
type Said = (u8, Vec<u8>);

impl Mta {
    async fn connect(world: &World) -> Self {
        Self::connect_to(&server(world)).await
    }

    async fn connect_to(server: &Server) -> Self {
        let mut mta = Self::fresh(server);
        let (letter, agreed) = mta.negotiate(6, ACTIONS, STEPS).await.unwrap();
        assert_eq!(letter, b'O');
        mta.steps = number(&agreed, 8);
        mta
    }

    /// Before the negotiation.
    fn fresh(server: &Server) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = server.clone();
        tokio::spawn(async move { server.session(ours, CancellationToken::new()).await });
        Self { stream: theirs, steps: 0 }
    }

    async fn negotiate(&mut self, version: u32, actions: u32, steps: u32) -> Option<Said> {
        let numbers = [version, actions, steps].map(u32::to_be_bytes).concat();
        self.send(b'O', &numbers).await;
        self.hear().await
    }

    async fn send(&mut self, letter: u8, content: &[u8]) {
        let length = u32::try_from(content.len() + 1).unwrap().to_be_bytes();
        let packet = [&length[..], &[letter], content].concat();
        // A server that hung up is heard of when we listen.
        let _ = self.stream.write_all(&packet).await;
    }

    /// `None`: the server closed the connection.
    async fn hear(&mut self) -> Option<Said> {
        let length = self.stream.read_u32().await.ok()?;
        let mut packet = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut packet).await.unwrap();
        Some((packet[0], packet[1..].to_vec()))
    }

    /// Sends what is answered.
    async fn ask(&mut self, letter: u8, content: &[u8]) -> Said {
        self.send(letter, content).await;
        self.hear().await.expect("an answer")
    }

    /// Sends what is answered only if the steps say so.
    async fn tell(&mut self, letter: u8, content: &[u8], silent: u32) {
        self.send(letter, content).await;
        if self.steps & silent == 0 {
            assert_eq!(self.hear().await.unwrap().0, b'c');
        }
    }

    async fn client(&mut self, ip: [u8; 4]) {
        let [a, b, c, d] = ip;
        self.tell(
            b'C',
            format!("mta.good.example\x004\x04\x19{a}.{b}.{c}.{d}\0").as_bytes(),
            step::NO_REPLY_CONNECT,
        )
        .await;
        self.tell(b'H', b"mta.good.example\0", step::NO_REPLY_HELO).await;
    }

    /// MAIL and RCPT; each answer to RCPT.
    async fn envelope(&mut self, from: &str, to: &[&str]) -> Vec<Said> {
        self.tell(b'M', format!("<{from}>\0").as_bytes(), step::NO_REPLY_MAIL).await;
        let mut answers = Vec::new();
        for to in to {
            answers.push(self.ask(b'R', format!("<{to}>\0").as_bytes()).await);
        }
        answers
    }

    /// Header, body and end; everything that is said up to the verdict.
    async fn content(&mut self, text: &str) -> Vec<Said> {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut field = String::new();
        let mut lines = head.lines().peekable();
        while let Some(line) = lines.next() {
            field.push_str(line);
            if lines.peek().is_some_and(|next| next.starts_with([' ', '\t'])) {
                field.push('\n');
                continue;
            }
            let (name, value) = field.split_once(':').unwrap();
            let spaced = self.steps & step::LEADING_SPACE != 0;
            let value = if spaced { value } else { value.strip_prefix(' ').unwrap_or(value) };
            let packet = format!("{name}\0{value}\0");
            self.tell(b'L', packet.as_bytes(), step::NO_REPLY_HEADER).await;
            field.clear();
        }
        self.tell(b'N', b"", step::NO_REPLY_END_OF_HEADERS).await;
        let body = body.replace('\n', "\r\n");
        for piece in body.as_bytes().chunks(65_535) {
            self.tell(b'B', piece, step::NO_REPLY_BODY).await;
        }
        self.end().await
    }

    async fn end(&mut self) -> Vec<Said> {
        self.send(b'E', b"").await;
        let mut said = Vec::new();
        while let Some(one) = self.hear().await {
            let verdict = b"cadrty".contains(&one.0);
            said.push(one);
            if verdict {
                break;
            }
        }
        said
    }

    /// A whole message from one client.
    async fn message(&mut self, ip: [u8; 4], from: &str, to: &[&str], text: &str) -> Vec<Said> {
        self.client(ip).await;
        for (letter, text) in self.envelope(from, to).await {
            assert_eq!(letter, b'c', "{}", String::from_utf8_lossy(&text));
        }
        self.content(text).await
    }
}

fn server(world: &World) -> Server {
    server_with(world, Settings::new("mx.ours.example"))
}

fn server_with(world: &World, settings: Settings) -> Server {
    Server::new(settings, world.intake.clone(), world.clock.clone(), Maillog::default())
}

fn mail(from: &str, more: &str, body: &str) -> String {
    format!(
        "From: {from}\nTo: anna@ours.example\nSubject: Offer\n for the roof\n\
         Date: Fri, 15 Jan 2027 08:00:00 +0000\nMessage-ID: <1@good.example>\n{more}\n{body}\n"
    )
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn verdict(said: &[Said]) -> char {
    char::from(said.last().expect("a verdict").0)
}

fn words(said: &[Said]) -> String {
    let (letter, text) = said.last().expect("a verdict");
    assert_eq!(*letter, b'y', "{said:?}");
    String::from_utf8(text.strip_suffix(b"\0").unwrap().to_vec()).unwrap()
}

/// What was said with this letter.
fn all(said: &[Said], letter: u8) -> Vec<String> {
    let these = said.iter().filter(|(one, _)| *one == letter);
    these.map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect()
}
