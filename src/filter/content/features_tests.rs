//! Marks: bounded, without doubles, and of every script.

use super::*;

fn read(fields: &[(&str, &str)], body: &str, words: &str) -> [Vec<u32>; BLOCKS] {
    let mut marks = Marks::default();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    marks.read(fields, body.as_bytes(), "", std::iter::once((words.as_bytes(), false)));
    marks.blocks().clone()
}

#[test]
fn a_mark_counts_once_and_a_message_leaves_nothing_behind() {
    let once = read(&[], "", "hello");
    let often = read(&[], "", "hello hello hello");
    assert!(often[3].len() > once[3].len());
    let mut sorted = often[3].clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), often[3].len());

    let mut marks = Marks::default();
    let fields = || std::iter::once((&b"Subject"[..], &b" x y z"[..]));
    marks.read(fields(), b"some body", "x y z", std::iter::once((&b"some body"[..], false)));
    let first = marks.blocks().clone();
    marks.read(std::iter::empty(), b"", "", std::iter::empty());
    marks.read(fields(), b"some body", "x y z", std::iter::once((&b"some body"[..], false)));
    assert_eq!(*marks.blocks(), first);
}

#[test]
fn runs_of_one_byte_leave_the_marks_of_every_four_bytes() {
    for body in ["\0\0\0\0", "\0\0\0\0a\0\0\0\0", "xxxxxxxxyyyyyxxxxx", "abcabcabc", "abc"] {
        let mut plainly: Vec<u32> = Vec::new();
        for four in body.as_bytes().windows(4) {
            let mark = hash(u32::from_be_bytes(four.try_into().unwrap()).into(), 2);
            if !plainly.contains(&mark) {
                plainly.push(mark);
            }
        }
        assert_eq!(read(&[], body, "")[2], plainly, "{body:?}");
    }
}

#[test]
fn what_the_receiving_side_writes_is_not_heard() {
    let plain = read(&[("Subject", " hello")], "", "");
    let told = read(
        &[
            ("X-Spam-Flag", " YES"),
            ("Delivered-To", " me@here.example"),
            ("Authentication-Results", " here; spf=pass"),
            ("Subject", " hello"),
        ],
        "",
        "",
    );
    assert_eq!(plain, told);
}

#[test]
fn a_header_is_the_same_on_another_day() {
    let of = |date, id| read(&[("Date", date), ("Message-Id", id)], "", "");
    let one = of(" Thu, 29 Aug 2002 09:02:55 -0700", " <1.22@a.example>");
    assert_eq!(one, of(" Mon, 03 May 2027 11:58:01 -0100", " <7.03@a.example>"));
    assert_ne!(one, of(" Thu, 29 Aug 2002 09:02:55 -0700", " <1.22@b.example>"));
    assert_ne!(one, of(" 29 Aug 2002 09:02:55 -0700", " <1.22@a.example>"));
}

#[test]
fn folds_and_digits_of_hops_do_not_matter() {
    let one =
        read(&[("Received", " from a1.example ([192.0.2.1]) by b"), ("To", " a,\r\n\tb")], "", "");
    let two =
        read(&[("Received", " from a7.example\r\n\t([198.5.1.9]) by b"), ("To", " a, b")], "", "");
    assert_eq!(one[0], two[0]);
    assert_eq!(one[1], two[1]);
    assert_ne!(one[1], read(&[("Received", " from a1.example ([192.0.2.1]) by c")], "", "")[1]);
    assert!(read(&[("To", " a")], "", "")[1].is_empty(), "no way, nothing to be known by");
}

#[test]
fn scripts_without_spaces_are_taken_in_pairs() {
    // 無料です: four characters, three pairs; the trailing space adds nothing.
    assert_eq!(read(&[], "", "無料です")[3].len(), 7);
    let (inside, alone) =
        (read(&[], "", "本日は無料です")[3].clone(), read(&[], "", "無料です")[3].clone());
    assert!(alone.iter().all(|mark| inside.contains(mark)));
}

#[test]
fn everything_is_bounded() {
    let long = "x1y2z3 ".repeat(100_000);
    let many: Vec<(&str, &str)> = (0..2000).map(|_| ("Received", "from a by b")).collect();
    let blocks = read(&many, &long, &long);
    assert!(blocks.iter().all(|block| block.len() <= BODY_BYTES));
    let noise: String = (0..60_000_u32).filter_map(char::from_u32).collect();
    assert!(read(&[("Subject", &noise)], &noise, &noise)[3].len() <= 2 * WORDS_BYTES);
}

proptest::proptest! {
    #[test]
    fn runs_of_ascii_are_read_as_each_character_would(text in "([a-c ]|é|か|漢|\\PC){0,80}") {
        let mut seen = nothing_seen();
        let mut fast = Vec::new();
        words(&text, &mut fast, &mut seen);
        seen.fill(0);
        let (mut slow, mut window, mut filled, mut before) = (Vec::new(), 0_u32, 0, None);
        for character in text.chars() {
            if unsegmented(character) {
                let this = u64::from(u32::from(character));
                add(hash(this, 0x13), &mut slow, &mut seen);
                if let Some(before) = before {
                    add(hash(this | before << 21, 0x23), &mut slow, &mut seen);
                }
                (before, filled) = (Some(this), 0);
                continue;
            }
            before = None;
            for byte in character.to_string().bytes() {
                window = window << 8 | u32::from(byte);
                filled += 1;
                if filled >= 4 {
                    add(hash(window.into(), 3), &mut slow, &mut seen);
                }
            }
        }
        proptest::prop_assert_eq!(fast, slow);
    }
}
