### 受信者自身のページ

me = 保留中のメール
me-ask = ご自分のメールアドレスを入力してください。保留中のメールを見るためのリンクをお送りします。パスワードはありません。
me-asked = このアドレス宛てに保留中のメールがあれば、リンクをお送りします。有効期限は1時間です。
me-enter = 次のアドレス宛てに保留されているメールを開きます
me-open = 保留中のメールを開く
me-enter-lasts = サインアウトしない限り、このブラウザーでは8時間サインインしたままになります。
me-empty = 保留中のメールはありません。
me-waiting = { $n }通のメールを保留しています。必要と思われるものから順に並べています。
me-delivered = 保留から配信されたメール
me-settings = 設定
me-back = 保留中のメールに戻る

## できること
me-deliver = 受け取る
me-accept = 受け取り、この送信者を常に許可する
me-block = 送信者をブロック
me-allow = 送信者を許可
me-spam = 迷惑メールとして報告
me-undo = 迷惑メールではない（取り消す）
me-end = 解除

## 理由
me-why-unwanted = 迷惑メールの疑い
me-why-unscannable = 検査できません
me-why-impersonated = 送信者のなりすまし
me-why-marketing = メールマガジン・広告
me-why-poll = アンケート
me-why-social = SNSの通知
me-why-mass = 多数への一斉送信
me-why-first-contact = この送信者からの初めてのメール

## 一通のメール
me-held = あなた宛てに保留中
me-blocked = この送信者は受け付けていません
me-blocked-text = あなた、または所属組織がこの送信者をブロックしています。メールは拒否されます。
me-flagged = 迷惑メールとして報告済み
me-flagged-text = この送信者はブロックされました。報告は、ほかの場所でこの送信者を信頼するかどうかにも影響します。30日間は取り消せます。
me-from = 差出人
me-to = 宛先
me-why = 保留の理由
me-proof = 差出人の確認
me-proof-yes = 確認済み：このアドレスから送られたものです
me-proof-no = 未確認：誰でもこのアドレスを名乗れます
me-told = 送信者への通知
me-told-not = 通知していません
me-told-reply = 送信者のメールサーバーから通知されました
me-told-letter = メールで通知しました
me-text = 本文（テキスト）
me-text-cut = 続きがあります。冒頭のみ表示しています。
me-text-none = 本文はありません。
me-text-unreadable = 安全に表示できません。
me-text-safe = 画像などの外部コンテンツは、ここでは決して読み込まれません。
me-attachments = 添付ファイル
me-attachment = 名前のない添付ファイル
me-gone = このメールはもう保留されていないか、リンクの期限が切れています。

## 確認
me-again = 内容を確認し、もう一度ボタンを押してください。
me-deliver-ask = このメールを受け取りますか？
me-deliver-text = あなたの受信箱にだけ配信されます。この送信者のほかのメールには影響しません。
me-deliver-careful = 誰が書いたものか確認できていません。心当たりのない添付ファイルやリンクは開かないでください。
me-accept-ask = 受け取り、この送信者を常に許可しますか？
me-accept-text = このアドレスから送られたと確認できるメールは、今後保留されません。マルウェアは引き続き止められます。
me-block-ask = この送信者をブロックしますか？
me-block-text = このアドレスからあなた宛てのメールは拒否され、送信者にもその旨が伝わります。設定でいつでも解除できます。
me-spam-ask = 迷惑メールとして報告しますか？
me-spam-text = 送信者は直ちにブロックされ、本人の申告だけでは信頼されなくなります。30日間は取り消せます。
me-undo-ask = 迷惑メールではありませんか？
me-undo-text = 報告と、それによるブロックを取り消します。
me-flag-gone = このリンクは期限切れです
me-flag-gone-text = 報告できるのは、配信から30日以内です。

## 設定
me-digest = 保留メールのお知らせ
me-digest-off = 受け取らない
me-digest-hourly = 1時間ごと
me-digest-daily = 毎日
me-digest-weekly = 毎週
me-digest-hour = 時刻（{ $zone }）
me-digest-weekday = 曜日（毎週の場合）
day-1 = 月曜日
day-2 = 火曜日
day-3 = 水曜日
day-4 = 木曜日
day-5 = 金曜日
day-6 = 土曜日
day-7 = 日曜日
me-choice-theirs = 組織の設定に従う
me-choice-deliver = 配信する
me-choice-hold = 保留する
me-choice-reject = 拒否する
me-save = 保存
me-senders = 送信者
me-blocks = ブロック中
me-allows = 許可済み
me-sender = アドレスまたはドメイン
me-sender-wrong = メールアドレスでもドメインでもありません。
me-allow-proof = 許可は、そのアドレスから送られたと確認できるメールにのみ有効です。
me-flags = 迷惑メールとして報告済み
me-sessions = サインイン中のブラウザー
me-session-this = このブラウザー
me-leave = サインアウト
me-leave-all = すべてのブラウザーからサインアウト
