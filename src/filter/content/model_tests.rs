//! The file: whole or refused; what is learnt later.

use super::*;
use crate::filter::content::train;

fn marks(words: &str) -> Marks {
    let mut marks = Marks::default();
    marks.read(std::iter::empty(), b"", "", std::iter::once((words.as_bytes(), false)));
    marks
}

fn example(words: &str, spam: bool) -> Example {
    Example::new(marks(words).blocks(), spam)
}

fn trained() -> Model {
    let spam = (0..30).map(|n| example(&format!("cheap pills {n} buy them now"), true));
    let ham = (0..60).map(|n| example(&format!("the minutes of meeting {n}"), false));
    train::model(&spam.chain(ham).collect::<Vec<_>>())
}

#[test]
fn the_starter_is_whole_and_small() {
    let starter = Model::decode(STARTER, "starter").unwrap();
    assert!(starter.learnt().spam > 900 && starter.learnt().ham > 2000);
    assert!(STARTER.len() < 2 << 20, "{} bytes", STARTER.len());
    assert_eq!(starter.encode(), STARTER);
}

#[test]
fn a_file_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content.model");
    let mut model = trained();
    model.learn(&example("an odd letter", true), 1.0, true);
    model.save(&path).unwrap();
    assert!(Model::open(&path).unwrap() == model);
    model.save(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_damaged_or_foreign_file_is_refused() {
    let good = trained().encode();
    for at in [0, 4, 5, 9, 21, 40, 60, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x41;
        assert!(Model::decode(&bad, "x").is_err(), "byte {at}");
    }
    for length in [0, 3, 39, 44, good.len() - 1] {
        assert!(Model::decode(&good[..length], "x").is_err(), "{length} bytes");
    }
}

#[test]
fn rounding_keeps_the_judgement() {
    let model = trained();
    let (spam, ham) =
        (model.judge(&marks("buy pills now")), model.judge(&marks("meeting minutes")));
    assert!(spam.probability > 0.6 && spam.beyond > 0.0, "{spam:?}");
    assert!(ham.probability < 0.4 && ham.beyond < spam.beyond, "{ham:?}");
}

#[test]
fn a_lesson_moves_its_mail_and_hardly_others() {
    let mut model = trained();
    let before =
        (model.margin(&marks("tulips for the garden")), model.margin(&marks("meeting minutes")));
    for first in [true, false, false] {
        model.learn(&example("tulips for the garden", true), 0.5, first);
    }
    let after =
        (model.margin(&marks("tulips for the garden")), model.margin(&marks("meeting minutes")));
    assert!(after.0 > before.0 + 0.5, "{before:?} {after:?}");
    assert!(after.1 < -0.1, "{before:?} {after:?}");
    assert_eq!((model.learnt().spam, model.learnt().later), (31, 1));
    let margin = model.margin(&marks("buy pills now cheap"));
    model.learn(&example("cheap pills 3 buy them now", true), 0.0, true);
    assert!((model.margin(&marks("buy pills now cheap")) - margin).abs() < 1e-6);
}

#[test]
fn without_a_model_there_is_no_opinion() {
    let opinion = Model::empty().judge(&marks("buy pills"));
    assert!(opinion.beyond < -1e30);
}
