//! What people see, and the tricks.

use super::*;

fn page(html: &str) -> Page {
    let mut page = Page::default();
    page.begin(1000);
    page.html(html.as_bytes());
    page
}

#[test]
fn html_becomes_the_words_that_people_see() {
    let page = page(
        "<html><style>p { color: red }</style><P>Hello&nbsp;<b>W</b>orld&#33;</p><!-- no -->\
         <script>var x = '</b>';</script><td>caf&eacute;</td><td>1 &lt; 2 &unknown; &#x3042;",
    );
    assert_eq!(page.text().trim(), "hello world! café 1 < 2 &unknown; あ");
    assert_eq!(page.tricks(), Tricks::default());
}

#[test]
fn hidden_text_is_left_out_and_counted() {
    let page = page(
        "a<div style='display: none'>secret <div>x</div> words</div>b\
                     <span style=\"FONT-SIZE:0px\">tiny</span>c<p style=\"font-size:0.9em\">d",
    );
    assert_eq!(page.text().trim(), "a bc d");
    assert_eq!(page.tricks().hidden, 16);
}

#[test]
fn cut_words_are_counted_and_joined() {
    let page = page("V<!-- x -->iag<zzq>ra and <br>lines <b>f</b>at end<td>cell");
    assert_eq!(page.text().trim(), "viagra and lines fat end cell");
    assert_eq!(page.tricks().cut, 2);
}

#[test]
fn letters_without_width_fall_away() {
    let page = page("vi\u{200b}ag\u{200d}r\u{ad}a x\u{200b} \u{feff}y");
    assert_eq!(page.text().trim(), "viagra x y");
    assert_eq!(page.tricks().no_width, 3);
}

#[test]
fn look_alikes_within_a_word_are_counted() {
    let page = page("p\u{430}ypal \u{440}rize Москва Athens Αθήνα");
    assert_eq!(page.tricks().mixed, 2);
}

#[test]
fn hostile_html_ends() {
    for html in [
        "<",
        "<!--",
        "<a",
        "&",
        "&#",
        "&#xffffffff;",
        "<style>",
        "<script></",
        "<div style='display:none'>",
    ] {
        page(html);
    }
    let deep = "<div style='display:none'>".repeat(20_000);
    assert!(page(&deep).text().len() < 10);
    let long = page(&"word ".repeat(100_000));
    assert!(long.text().len() <= 1004);
}

proptest::proptest! {
    #[test]
    fn a_run_of_letters_is_put_as_each_letter_would(
        text in "([a-cX ]|\\PC|\u{200b}|\u{ad}|а|[\r\n\t.&]){0,60}",
        most in 0_usize..80,
    ) {
        let (mut fast, mut slow) = (Page::default(), Page::default());
        fast.begin(most);
        fast.run(text.as_bytes());
        slow.begin(most);
        for character in text.chars() {
            if slow.is_full() {
                break;
            }
            slow.put(character);
        }
        proptest::prop_assert_eq!(fast.text(), slow.text());
        proptest::prop_assert_eq!(fast.tricks(), slow.tricks());
    }
}
