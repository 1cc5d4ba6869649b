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

# ダイジェスト：受信者宛てに保留されたもの
letter-digest-subject = 保留中のメールが{ $count }通あります
letter-digest-held = 前回のお知らせ以降、あなた宛てのメール{ $count }通を保留しました。必要と思われるものから順に並べています。まだ配信されていません。
letter-digest-bulk = メールマガジン・広告などの一斉配信
letter-digest-more = ほかの{ $count }通は、あなたのページでご覧いただけます。
letter-digest-page = 保留中のメールの一覧と、このお知らせの頻度の設定は、あなたのページで行えます：
letter-digest-deliver = 受け取る
letter-digest-block = 送信者をブロック
letter-digest-show = 見る
letter-digest-no-subject = （件名なし）
letter-digest-untold = 送信者には未通知
letter-why-unwanted = 迷惑メールの疑い
letter-why-unscannable = 検査できません
letter-why-impersonated = 送信者のなりすまし
letter-why-marketing = メールマガジン・広告
letter-why-poll = アンケート
letter-why-social = SNSの通知
letter-why-mass = 多数への一斉送信
letter-why-first-contact = この送信者からの初めてのメール

# 受信者自身のページへのリンク
letter-invitation-subject = 保留メールのページを開く
letter-invitation = 次のリンクから、あなた宛てに保留されているメールのページを開けます。リンクの有効期間は1時間です：
letter-invitation-ignore = お心当たりがない場合は、このメールを無視してください。リンクを知っている人は保留メールを読めますので、転送しないでください。

# 申請の経過
letter-appeal-subject = 一斉配信の申請について
letter-appeal-received = 申請を受け付けました。担当者が判断します。経過は次のページでいつでもご覧いただけます：
letter-appeal-question = 申請について確認したいことがあります。次のページでご回答ください：
letter-appeal-granted = 申請が認められました。配信される範囲、期限、通数は次のページでご覧いただけます：
letter-appeal-denied = 申請は認められませんでした。理由は次のページでご覧いただけます：
letter-appeal-expired = 期限までに判断されなかったため、申請は終了しました。配信をまだ希望される場合は、次のページからもう一度申請するか、下記の連絡先にお問い合わせください：

# 管理者の判断を待つ申請。
letter-admin-appeals-subject = 判断待ちの申請が{ $count }件あります
letter-admin-appeals = 一斉配信の送信者から、配信の申請が{ $count }件届いています。管理者が判断するまで配信されません。
letter-admin-appeals-until = 判断の期限：{ $date }
letter-admin-appeals-page = 申請の内容とこちらで把握している情報は次のページでご覧になり、判断してください。このお知らせは1日1通までです：
