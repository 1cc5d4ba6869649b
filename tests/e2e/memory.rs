//! What the whole program keeps in memory behind a flood of commands that are
//! no mail.
//!
//! The program is the real one; its resident memory is what the system says.
//! What it needs by itself is measured of the release build, by `benches/rates`:
//! a debug build's own pages outweigh it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;

use super::killed::{free_port, start, wait_for};
use super::*;

/// What may come and go with sessions: the allocator's pools.
const NOISE: u64 = 4 << 20;
/// A million commands, of which each connection has a part answered.
const COMMANDS: usize = 1000;
const CONNECTIONS: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn s_18_a_million_junk_commands_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path());
    let (smtp, portal) = (free_port(), free_port());
    let text = config("127.0.0.1:9".parse().unwrap(), smtp, portal);
    std::fs::write(folder.path().join("reprieve.toml"), text).unwrap();
    let mut program = start(folder.path());
    wait_for(smtp).await;

    let flood = move |connections| async move {
        let flood = move || {
            for nth in 0..connections {
                let junk: &[u8] = if nth % 10 == 0 { b"BDAT 1\r\nx" } else { b"NOOP\r\n" };
                junk_commands(smtp, junk);
            }
        };
        tokio::task::spawn_blocking(flood).await.unwrap();
    };
    // The first ones fill pools that stay.
    flood(CONNECTIONS / 10).await;
    let before = resident(&program);
    flood(CONNECTIONS).await;
    let after = resident(&program);
    assert!(after < before + NOISE, "{before} bytes before a million commands, {after} behind");
    program.kill().unwrap();
    program.wait().unwrap();
}

/// Sends one command [`COMMANDS`] times; the server ends that with 421 long
/// before.
fn junk_commands(smtp: SocketAddr, command: &[u8]) {
    let mut stream = TcpStream::connect(smtp).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has closed takes no more.
    let _ = stream.write_all(&command.repeat(COMMANDS));
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8(said).unwrap();
    let replies = said.lines().count();
    assert!(said.lines().last().is_some_and(|line| line.starts_with("421 4.7.0")), "{said:?}");
    assert!(replies <= 103, "greeting, 100 answers, the last and no more: {replies}");
}

/// Bytes of the program that are in memory.
fn resident(program: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
