//! Files as spammers and colleagues send them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::*;
use crate::filter::parsed::Text;

/// Entries of a ZIP file that is made here: name, content, encrypted.
fn zip(entries: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for (name, content, encrypted) in entries {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
        packer.write_all(content).unwrap();
        let packed = packer.finish().unwrap();
        let offset = u32::try_from(file.len()).unwrap();
        let mut fields = Vec::new();
        fields.extend(20_u16.to_le_bytes());
        fields.extend(u16::from(*encrypted).to_le_bytes());
        fields.extend(8_u16.to_le_bytes());
        fields.extend([0; 8]);
        fields.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        fields.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        fields.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        fields.extend([0; 2]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(name.as_bytes());
        file.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(file.len()).unwrap();
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0; 2]);
    file
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

fn program() -> Vec<u8> {
    let mut program = b"MZ".to_vec();
    program.resize(0x3c, 0);
    program.extend(0x40_u32.to_le_bytes());
    program.extend(b"PE\0\0");
    program.resize(2048, 0x90);
    program
}

fn eicar() -> Vec<u8> {
    EICAR.concat()
}

/// The ids of what is found in one attachment.
fn ids(name: &str, content: &[u8]) -> Vec<String> {
    ids_within(name, content, &Limits::default())
}

fn ids_within(name: &str, content: &[u8], limits: &Limits) -> Vec<String> {
    let part =
        Part { name: Some(name), media: String::new(), content, text: None, saved: Saved::Same };
    check(&[part], limits, &Weights::default()).into_iter().map(|(one, _)| one.id).collect()
}

#[test]
fn harmless_files_pass() {
    assert!(ids("offer.pdf", b"%PDF-1.7 text").is_empty());
    assert!(ids("notes.txt", b"MZ is how it begins, but it is text").is_empty());
    assert!(ids("photos.zip", &zip(&[("a.jpg", b"\xff\xd8\xff", false)])).is_empty());
    assert!(ids("log.gz", &gzip(b"one line")).is_empty());
    assert!(ids("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 words").is_empty());
    assert!(ids("", b"").is_empty());
}

#[test]
fn programs_are_refused_by_name_and_by_content() {
    assert_eq!(ids("setup.exe", b"whatever"), ["attachment-dangerous"]);
    assert_eq!(ids("script.vbs", b"text"), ["attachment-dangerous"]);
    assert_eq!(ids("data.bin", &program()), ["attachment-dangerous"]);
    assert_eq!(ids("picture.jpg", &program()), ["attachment-disguised"]);
    assert_eq!(ids("invoice.pdf.exe", b"x"), ["attachment-disguised"]);
    assert_eq!(ids("annexe\u{202e}fdp.scr", b"x"), ["attachment-disguised"]);
    assert_eq!(ids("x.zip", &zip(&[("a/b/run.js", b"x", false)])), ["attachment-dangerous"]);
    assert_eq!(ids("x.zip", &zip(&[("data", &program(), false)])), ["attachment-dangerous"]);
    assert_eq!(ids("x.tar.gz", &gzip(&tar("run.lnk", b"x"))), ["attachment-dangerous"]);
    let mut disk = vec![0; 0x8001];
    disk.extend(b"CD001");
    assert_eq!(ids("video.mp4", &disk), ["attachment-disguised"]);
}

#[test]
fn a_text_part_with_a_name_is_a_file() {
    let part = |name, text| Part {
        name,
        media: "text/plain".into(),
        content: b"x",
        text,
        saved: Saved::Same,
    };
    let found = |part| check(&[part], &Limits::default(), &Weights::default()).len();
    assert_eq!(found(part(Some("run.bat"), Some(Text::Plain))), 1);
    assert_eq!(found(part(None, Some(Text::Plain))), 0);
}

#[test]
fn eicar_is_malware_wherever_it_stands() {
    let inner = zip(&[("eicar.com.txt", &eicar(), false)]);
    let twice = zip(&[("inner.zip", &inner, false)]);
    for file in [eicar(), zip(&[("e.txt", &eicar(), false)]), twice, gzip(&eicar())] {
        let found = ids("file.dat", &file);
        assert!(found.contains(&"malware".to_owned()), "{found:?}");
    }
    let part = Part {
        name: None,
        media: String::new(),
        content: &eicar(),
        text: Some(Text::Plain),
        saved: Saved::Same,
    };
    let found = check(&[part], &Limits::default(), &Weights::default());
    assert_eq!(found[0].1, Class::Malware);
}

#[test]
fn macros_are_unscannable() {
    assert_eq!(ids("report.docm", b"x"), ["attachment-macro"]);
    let office =
        zip(&[("word/document.xml", b"<w/>", false), ("word/vbaProject.bin", b"x", false)]);
    assert_eq!(ids("report.docx", &office), ["attachment-macro"]);
    let mut old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    old.extend("_VBA_PROJECT".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(ids("report.doc", &old), ["attachment-macro"]);
}

#[test]
fn images_of_disks_and_scripts_are_known_by_content() {
    let mut iso = vec![0; 0x8001];
    iso.extend(b"CD001");
    assert_eq!(ids("x.zip", &zip(&[("photo", &iso, false)])), ["attachment-dangerous"]);
    assert_eq!(ids("photo", b"vhdxfile...."), ["attachment-dangerous"]);
    let mut volume = b"\xeb\x3c\x90MSDOS5.0".to_vec();
    volume.resize(510, 0);
    volume.extend(b"\x55\xaa");
    assert_eq!(ids("scan.pdf", &volume), ["attachment-disguised"]);
    assert_eq!(ids("notes", b"#@~^XYAAAA=="), ["attachment-dangerous"]);
    let shortcut = b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0";
    assert_eq!(ids("invoice.pdf", shortcut), ["attachment-disguised"]);
    assert_eq!(ids("a.zip", &zip(&[("x", shortcut, false)])), ["attachment-dangerous"]);
    let note = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1";
    assert_eq!(ids("minutes", note), ["attachment-dangerous"]);
    assert_eq!(ids("x.zip", &zip(&[("classes.dex", b"x", false)])), ["attachment-dangerous"]);
    let mut short = volume;
    short.truncate(40);
    assert!(ids("x", &short).is_empty(), "cut short it is none");
}

#[test]
fn documents_with_files_inside_are_unscannable() {
    let rich = br"{\rtf1 {\object\objemb{\*\objdata 0105000002000000}}}";
    assert_eq!(ids("offer.doc", rich), ["attachment-object"]);
    assert!(ids("letter.rtf", br"{\rtf1 \b Dear Anna}").is_empty());
    let mut package = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    package.resize(9000, 0);
    package.extend("\u{1}Ole10Native".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(ids("old.doc", &package), ["attachment-object"]);
    let within = zip(&[("word/embeddings/oleObject1.bin", &package, false)]);
    assert_eq!(ids("new.docx", &within), ["attachment-object"]);
    let mut macros = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    macros.resize(9000, 0);
    macros.extend("_VBA_PROJECT".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(ids("a.zip", &zip(&[("old.xls", &macros, false)])), ["attachment-macro"]);
}

#[test]
fn i_07_what_stays_closed_is_never_clean() {
    let locked = zip(&[("secret.txt", b"12345678901234567890", true)]);
    assert_eq!(ids("a.zip", &locked), ["attachment-encrypted"]);
    let locked = zip(&[("secret.exe", b"12345678901234567890", true)]);
    assert!(ids("a.zip", &locked).contains(&"attachment-dangerous".to_owned()), "by its name");
    assert_eq!(ids("a.rar", b"Rar!\x1a\x07\x01\0..."), ["attachment-unreadable"]);
    assert_eq!(ids("a.7z", b"7z\xbc\xaf\x27\x1c..."), ["attachment-unreadable"]);
    let whole = zip(&[("a.txt", b"text", false)]);
    assert_eq!(ids("a.zip", &whole[..whole.len() - 10]), ["attachment-unreadable"]);
    let many: Vec<(String, bool)> = (0..1501).map(|n| (format!("{n}"), false)).collect();
    let many: Vec<(&str, &[u8], bool)> =
        many.iter().map(|(name, _)| (name.as_str(), &b"x"[..], false)).collect();
    assert_eq!(ids("many.zip", &zip(&many)), ["attachment-unreadable"]);
}

#[test]
fn i_07_bombs() {
    let mut nested = zip(&[("a.txt", b"x", false)]);
    for _ in 0..20 {
        nested = zip(&[("n.zip", &nested, false)]);
    }
    assert_eq!(ids("nested.zip", &nested), ["attachment-bomb"]);
    let zeros = vec![0; 1 << 20];
    let flat = zip(&[("zeros", &zeros, false)]);
    assert!(ids("flat.zip", &flat).is_empty(), "a MiB of nothing is no bomb");
    // The same, claiming 2 GiB.
    let mut claims = flat;
    let record = memchr::memmem::rfind(&claims, b"PK\x01\x02").unwrap();
    claims[record + 24..record + 28].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    assert_eq!(ids("claims.zip", &claims), ["attachment-bomb"]);
    assert_eq!(ids("overlap.zip", &overlapping()), ["attachment-bomb"]);
    // A gzip file that holds what looks like an archive and does not end.
    let mut inner = b"PK\x03\x04".to_vec();
    inner.resize(4 << 20, 0);
    let limits = Limits { inflated: 1 << 20, ..Limits::default() };
    assert_eq!(ids_within("big.gz", &gzip(&inner), &limits), ["attachment-unreadable"]);
}

/// Fifty entries that share the same packed bytes.
fn overlapping() -> Vec<u8> {
    let noise: Vec<u8> =
        (0..1000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let one = zip(&[("a", &noise, false)]);
    let start = memchr::memmem::rfind(&one, b"PK\x01\x02").unwrap();
    let end = one.len() - 22;
    let mut file = one[..start].to_vec();
    for _ in 0..50 {
        file.extend(&one[start..end]);
    }
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&50_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&50_u16.to_le_bytes());
    file.extend(tail);
    file
}

#[test]
fn every_cut_of_an_archive_is_survived() {
    let file = zip(&[("inner.zip", &zip(&[("a.txt", b"x", false)]), false), ("b", b"y", false)]);
    for end in 0..file.len() {
        ids("a.zip", &file[..end]);
        let mut turned = file.clone();
        turned[end] ^= 0x55;
        ids("a.zip", &turned);
    }
}

/// The ids of what is found in a whole mail, its lines given with LF.
fn ids_of_mail(mail: &str) -> Vec<String> {
    let message = crate::mail::Message::new(mail.replace('\n', "\r\n").into_bytes().into());
    let parsed = crate::filter::parsed::Parsed::read(&message).unwrap();
    let found = check(&parsed.parts(), &Limits::default(), &Weights::default());
    found.into_iter().map(|(one, _)| one.id).collect()
}

#[test]
fn a_file_is_found_however_oddly_it_is_encoded() {
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, {
        let mut program = program();
        // No text in any charset.
        program.extend((0..=255_u8).cycle().take(3000));
        program
    });
    let mail = |head: &str, body: &str| {
        ids_of_mail(&format!(
            "From: a@b\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nhello\n--b\n{head}\n{body}\n--b--\n"
        ))
    };
    let broken = base64.replacen('Q', "Q*-", 20);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(76).map(|l| str::from_utf8(l).unwrap()).collect();
    for (head, body) in [
        ("Content-Transfer-Encoding: base64\n", base64.clone()),
        ("Content-Transfer-Encoding: base64\n", lines.join("\n")),
        ("Content-Transfer-Encoding: base64\nContent-Disposition: attachment\n", base64.clone()),
        ("Content-Type: text/html\nContent-Transfer-Encoding: BASE64\n", base64.clone()),
        ("Content-Type: application/x-a\nContent-Transfer-Encoding: base64 (x)\n", base64.clone()),
        ("Content-Type: application/x-a\nContent-Transfer-Encoding: x-base64\n", base64.clone()),
        ("Content-Type: application/x-a\nContent-Transfer-Encoding: base64\n", broken),
    ] {
        assert_eq!(mail(head, &body), ["attachment-dangerous"], "{head}");
    }
    let uu = "begin 644 a.bin\n#86)C\n`\nend\n";
    let odd = "Content-Transfer-Encoding: x-uuencode\n";
    assert_eq!(
        mail(&format!("Content-Type: application/x-a\n{odd}"), uu),
        ["attachment-unreadable"]
    );
    assert!(mail(odd, "only words under an odd name").is_empty());
    assert!(mail("Content-Transfer-Encoding: base64\n", "aGVsbG8gd29ybGQ=").is_empty());
    assert!(mail("Content-Type: text/plain; charset=latin1\n", "MZ, mit \u{fc}").is_empty());
}

#[test]
fn a_mail_of_one_encoded_part_is_looked_into() {
    let base64 =
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, zip(&[("x.exe", b"x", false)]));
    let ids = ids_of_mail(&format!("From: a@b\nContent-Transfer-Encoding: base64\n\n{base64}\n"));
    assert_eq!(ids, ["attachment-dangerous"]);
}
