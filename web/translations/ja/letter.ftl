# 送信者であることが確認できた方への手紙。三つの文のみで、元のメールの内容は含めない。
letter-subject = まだ配信されていません: { $subject }
letter-subject-none = お送りいただいたメールはまだ配信されていません
letter-waiting-named = { $names } 宛てのメールは、まだ配信されていません。
letter-waiting-others = { $names } ほか { $count } 名宛てのメールは、まだ配信されていません。
letter-waiting-hidden = { $count } 名宛てのメールは、まだ配信されていません。
letter-see = 理由と、配信に必要な手続きは、次のページでご確認いただけます。
letter-until = メールは { $date } までお預かりしておりますので、再送の必要はありません。
letter-contact = お問い合わせ: { $contact }
letter-reference = 受付番号: { $reference }
letter-date = { $year }年{ $month }月{ $day }日

# リンクをなくされた方への返信。
letter-lost-subject = お預かりしているメールのご案内
letter-lost = まだ配信されていないメールが { $count } 通あります。
letter-lost-see = 理由と、配信に必要な手続きは、次のページでご確認いただけます。
letter-lost-each = { $date } 受信、受付番号 { $reference }:
letter-lost-ignore = お心当たりがない場合は、このメールを破棄してください。

# 送信者に知らせないまま保管期限が切れたときの通知。
letter-expired-subject = お送りいただいたメールは配信されませんでした
letter-expired = { $date } にお送りいただいたメールは、{ $organisation } のメールフィルターで保留され、期限までに配信の手続きがなかったため、配信されませんでした。ご用件がまだお済みでない場合は、もう一度お送りいただくか、受付番号 { $reference } を添えて { $contact } までご連絡ください。
