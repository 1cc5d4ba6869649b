//! What stories in front of a server and beside one have in common.

#![allow(dead_code, reason = "each test that shares it uses its part")]

use std::net::SocketAddr;
use std::path::Path;

use reprieve::clock::{Clock, SignedDuration};
use reprieve::demo::client::Browser;
use reprieve::demo::outside::Outside;
use reprieve::link::ring;
use reprieve::mail::Domain;
use reprieve::notice;

/// The world that receives, and where it listens.
pub async fn outside() -> (Outside, SocketAddr) {
    let outside = Outside::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(outside.clone().serve(listener));
    (outside, address)
}

/// Keys and zone.
pub fn furnish(folder: &Path) {
    let keys = folder.join("keys");
    std::fs::create_dir(&keys).unwrap();
    ring::folder::new(&keys).unwrap();
    let domain = Domain::parse("release.ours.example").unwrap();
    let (name, record) = notice::generate_dkim(&keys, "reprieve", &domain).unwrap();
    let zone = format!(
        "proved.example. IN TXT \"v=spf1 ip4:127.0.0.1 -all\"\n\
         stranger.example. IN TXT \"v=spf1 -all\"\n\
         {name}. IN TXT \"{record}\"\n"
    );
    std::fs::write(folder.join("zone.txt"), zone).unwrap();
}

/// A gateway in this folder that serves one organisation in front of one next
/// hop, and holds whom it meets first.
pub fn config(url: &str, next_hop: &str) -> String {
    format!(
        "[portal]\nurl = \"{url}\"\n[store]\nfolder = \"store\"\nreserve = \"1 MiB\"\n\
         [smtp]\nhostname = \"mx.ours.example\"\n[next_hop]\nserver = \"{next_hop}\"\n\
         [notice]\ndomain = \"release.ours.example\"\n[dns]\nzone = \"zone.txt\"\n\
         [[organisation]]\nid = \"ours\"\nname = \"Ours Oy\"\ndomains = [\"ours.example\"]\n\
         postmaster = \"postmaster@ours.example\"\nfirst_contact = \"hold\"\n"
    )
}

/// See, declare, confirm, as a person does: not at once.
pub async fn release(clock: &Clock, link: &str) {
    let mut browser = Browser::default();
    let page = browser.open(link).await.unwrap();
    let form = page.form(link, "").unwrap_or_else(|| panic!("no form: {}", page.words()));
    clock.advance(SignedDuration::from_secs(5));
    let page = browser.submit(&form.url, &form.with("what", "personal")).await.unwrap();
    let form = page.form(&form.url, "release").expect("a second step");
    clock.advance(SignedDuration::from_secs(5));
    let page = browser.submit(&form.url, &form.hidden).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.words());
}

/// Of a reply, or of a letter whose lines were broken on the way.
pub fn link_in(text: &str) -> Option<&str> {
    let at = text.find("http://")?;
    text[at..].split_whitespace().next()
}
