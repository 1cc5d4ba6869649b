//! A proved sender: 250, a letter with his link, and trust from then on.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_proved_sender_gets_a_letter_and_is_trusted_afterwards() {
    let house = House::new().await;
    let first = mail("kenji@proved.example", "first", "the body is nobody's business");
    let answer = house.send("kenji@proved.example", &["anna@ours.example"], &first).await;
    assert_eq!(answer.code, 250, "{}", answer.text);
    let is_letter = |one: &Arrived| one.rcpt_to == ["kenji@proved.example"];
    let letter = tokio::time::timeout(PATIENCE, house.outside.wait_for(is_letter)).await;
    let letter = letter.expect("the letter arrives");
    let text = String::from_utf8_lossy(letter.message.bytes()).replace("=\r\n", "");
    assert!(!text.contains("nobody's business"), "nothing of the body is in the letter");
    assert!(text.contains("DKIM-Signature:"));
    assert!(letter.mail_from.ends_with("@release.ours.example"), "{}", letter.mail_from);
    let link = text.lines().find_map(|line| line.contains("/r/").then(|| link_in(line)).flatten());
    let link = link.expect("the letter has a link").replace("=3D", "=");

    house.release(&link).await;
    house.clock.advance(SignedDuration::from_secs(61));
    house.arrives("anna@ours.example", &first).await;

    let second = mail("kenji@proved.example", "second", "no question this time");
    let answer = house.send("kenji@proved.example", &["anna@ours.example"], &second).await;
    assert_eq!(answer.code, 250, "{}", answer.text);
    assert_eq!(house.copies(&second), 1, "it was passed on within the session");

    // Trust earned with a proof does not help a mail that lacks it.
    let forged = mail("kenji@proved.example", "forged", "from elsewhere");
    let answer = house.send("eva@stranger.example", &["anna@ours.example"], &forged).await;
    assert_eq!(answer.code, 550, "{}", answer.text);
}
