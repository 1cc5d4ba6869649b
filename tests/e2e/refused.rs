//! What is refused without a link: malware, and mail to nobody of ours.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn malware_is_refused_and_never_given_a_link() {
    let house = House::new().await;
    let eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"];
    let message = mail("kenji@proved.example", "malware", &eicar.concat());
    let answer = house.send("kenji@proved.example", &["anna@ours.example"], &message).await;
    assert_eq!(answer.code, 554, "{}", answer.text);
    assert_eq!(link_in(&answer.text), None);
    assert!(house.outside.all().is_empty(), "nobody is written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_to_other_domains_is_not_relayed() {
    let house = House::new().await;
    let message = mail("eva@stranger.example", "relay", "x");
    let answer = house.send("eva@stranger.example", &["victim@other.example"], &message).await;
    assert_eq!(answer.code, 550);
    assert!(answer.text.starts_with("5.7.1"), "{}", answer.text);
}
