//! L-11: does the time that a wrong token takes tell how wrong it is?
//!
//! Opt-in, because it measures time and a busy machine would make it lie:
//!
//!     cargo nextest run --test timing --run-ignored all
//!
//! 100,000 samples of each of two kinds, in random order, the slowest tenth
//! left out (interrupts); Welch's t stays below 4.5 (as dudect judges) in one
//! of three rounds. A leak shows in every round: the leaky comparison beside
//! it must exceed the bound each time, or the measurement is blind.

use std::hint::black_box;
use std::time::Instant;

use reprieve::clock::Timestamp;
use reprieve::link::{ALL_RECIPIENTS, KeyRing, Links, Purpose, Token};

const SAMPLES: usize = 100_000;
const BOUND: f64 = 4.5;
const ROUNDS: usize = 3;
/// Characters of a token; its tag is the last 16 of 42 bytes.
const LENGTH: usize = 56;
const TAG: usize = 35;
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
#[ignore = "measures time; run it on a quiet machine"]
fn l_11_the_time_of_a_refusal_tells_nothing() {
    let links = Links::new(KeyRing::ephemeral(), "https://mail.example").unwrap();
    let token = Token {
        purpose: Purpose::Release,
        subject: uuid::Uuid::now_v7(),
        slot: ALL_RECIPIENTS,
        expires: Timestamp::from_second(2_000_000_000).unwrap(),
    };
    let good = token.mint(links.ring(), links.host());
    assert_eq!(good.len(), LENGTH);
    let read = |text: &str| black_box(links.read("mail.example", Purpose::Release, text)).is_err();
    assert!(!read(&good));

    // All but the tag's last bits right, against a tag of chance.
    let nearly = changed(&good, LENGTH - 2);
    let by_prefix = least(|| welch(|| nearly.clone(), || with_random_tag(&good), read));
    println!("valid prefix against random tag: t = {by_prefix:.2}");
    // A key that signs here, against one that nobody has (version, purpose,
    // then two bytes of key id).
    let unknown = changed(&good, 3);
    let by_key = least(|| welch(|| with_random_tag(&good), || with_random_tag(&unknown), read));
    println!("known key against unknown key: t = {by_key:.2}");

    let leaky = |text: &str| {
        let equal = text.bytes().zip(good.bytes()).all(|(one, other)| black_box(one == other));
        !black_box(equal)
    };
    let seen = least(|| welch(|| nearly.clone(), || with_random_tag(&good), leaky));
    println!("a comparison that stops early: t = {seen:.2}");
    assert!(seen > BOUND, "the measurement sees no leak where there is one");
    assert!(by_prefix < BOUND && by_key < BOUND, "the time tells");
}

/// The least of the rounds: a leak shows in all.
fn least(round: impl Fn() -> f64) -> f64 {
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Welch's |t| of the times that `ask` takes for two kinds of token. All are
/// made before the first is asked about, so that both find the same caches.
fn welch(one: impl Fn() -> String, other: impl Fn() -> String, ask: impl Fn(&str) -> bool) -> f64 {
    let made: Vec<(usize, String)> = (0..2 * SAMPLES)
        .map(|_| {
            let (one, other) = (one(), other());
            let kind = usize::from(getrandom::u32().unwrap() % 2 == 1);
            (kind, if kind == 0 { one } else { other })
        })
        .collect();
    let mut times: [Vec<u64>; 2] = [Vec::new(), Vec::new()];
    for (kind, text) in &made {
        let text = black_box(text.as_str());
        let began = Instant::now();
        let refused = ask(text);
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap();
        assert!(refused);
        times[*kind].push(took);
    }
    let mut all: Vec<u64> = times.iter().flatten().copied().collect();
    all.sort_unstable();
    let longest = all[all.len() * 9 / 10];
    let [one, other] = times.map(|taken| {
        moments(&taken.into_iter().filter(|took| *took <= longest).collect::<Vec<_>>())
    });
    (one.mean - other.mean).abs() / (one.error + other.error).sqrt()
}

struct Moments {
    mean: f64,
    /// The variance of the mean.
    error: f64,
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds and counts far below 2^52")]
fn moments(taken: &[u64]) -> Moments {
    let count = taken.len() as f64;
    let mean = taken.iter().map(|took| *took as f64).sum::<f64>() / count;
    let squares = taken.iter().map(|took| (*took as f64 - mean).powi(2)).sum::<f64>();
    Moments { mean, error: squares / (count - 1.0) / count }
}

/// Another character at `place`.
fn changed(token: &str, place: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let at = ALPHABET.iter().position(|c| *c == bytes[place]).unwrap();
    bytes[place] = ALPHABET[(at + 1) % ALPHABET.len()];
    String::from_utf8(bytes).unwrap()
}

fn with_random_tag(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let mut random = [0; LENGTH - TAG];
    getrandom::fill(&mut random).unwrap();
    for (byte, random) in bytes[TAG..].iter_mut().zip(random) {
        *byte = ALPHABET[usize::from(random) % ALPHABET.len()];
    }
    String::from_utf8(bytes).unwrap()
}
