//! The machine parts what can be parted, the same way each time.

use super::*;

fn example(words: &str, spam: bool) -> Example {
    let mut marks = super::super::features::Marks::default();
    marks.read(std::iter::empty(), b"", "", std::iter::once((words.as_bytes(), false)));
    Example::new(marks.blocks(), spam)
}

pub(in super::super) fn mails() -> Vec<Example> {
    let spam = (0..30).map(|n| example(&format!("cheap pills {n} buy them now, offer {n}"), true));
    let ham =
        (0..60).map(|n| example(&format!("the minutes of meeting {n}, see agenda {n}"), false));
    spam.chain(ham).collect()
}

#[test]
fn unseen_mails_are_told_apart() {
    let mails = mails();
    let machine = Machine::train(&mails.iter().collect::<Vec<_>>());
    assert!(machine.margin(&example("buy cheap pills", true)) > 0.2);
    assert!(machine.margin(&example("agenda of the next meeting", false)) < -0.2);
}

#[test]
fn the_same_mails_give_the_same_model() {
    let mails = mails();
    assert_eq!(model(&mails).encode(), model(&mails).encode());
}

#[test]
fn each_fold_has_its_share_and_judges_what_it_has_not_seen() {
    let mails = mails();
    let part = parts(&mails, 10, 1);
    for fold in 0..10 {
        let of = |spam| (0..90).filter(|p| part[*p] == fold && mails[*p].spam == spam).count();
        assert_eq!((of(true), of(false)), (3, 6));
    }
    let margins = cross_validate(&mails, 10, 1);
    assert!(margins.iter().zip(&mails).all(|(margin, mail)| (*margin > 0.0) == mail.spam));
}

#[test]
fn probabilities_follow_what_margins_were_worth() {
    let margins: Vec<f64> = (0..1000).map(|n| f64::from(n % 100) / 50.0 - 1.0).collect();
    // At margin m, (m + 1) / 2 of the mails are spam.
    let spam: Vec<bool> = (0..1000).map(|n| n % 100 > (n / 100) * 10 + 4).collect();
    let fit = Platt::fit(&margins, &spam);
    assert!(fit.slope < 0.0);
    assert!((fit.probability(0.0) - 0.5).abs() < 0.05, "{}", fit.probability(0.0));
    assert!(fit.probability(0.8) > 0.85 && fit.probability(-0.8) < 0.15);
    let rising = (0..20).map(|n| fit.probability(f64::from(n) / 10.0 - 1.0));
    assert!(rising.collect::<Vec<_>>().windows(2).all(|pair| pair[0] < pair[1]));
}
