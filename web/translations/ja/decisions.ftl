### 管理者の判断：申請と重み、そして公開統計。

admin-key-block = 拒否・ブロックのボタンへ
admin-key-appeal = 申請の承認ボタン・却下ボタンへ
admin-yes = はい
admin-no = いいえ

## 申請
admin-appeals = 申請
admin-appeals-received = 判断待ち
admin-appeals-asked = 送信者の回答待ち
admin-appeals-closed = 判断済み
admin-appeals-none = 判断待ちの申請はありません。良好です。
admin-search-appeals = 差出人・件名・受付番号・本文の一部
admin-appeals-wait = 判断待ちの申請が { $n } 件あります
admin-appeal = 申請
admin-appeal-since = 待機開始
admin-appeal-deadline = 判断期限
admin-appeal-many = 受信者数
admin-appeal-others = ほか他の組織
admin-appeal-decision = 判断
admin-appeal-says = 送信者の説明
admin-appeal-known = こちらで把握していること
admin-appeal-proved = 送信者の確認
admin-appeal-one-click = ワンクリック配信停止（RFC 8058）
admin-appeal-volume = 確認した通数
admin-appeal-seen = 保留 { $held } 通、{ $copies } 宛先。このドメインまたはネットワークから最近約 { $passed } 通が通過
admin-appeal-complaints = 苦情
admin-appeal-flags = { $of } 宛先中 { $n } 件（{ $rate } %）
admin-appeal-named = 配信の種類
admin-appeal-talk = 質問と回答
admin-appeal-he = 送信者：
admin-appeal-we = 担当者：
admin-appeal-question = 送信者への質問
admin-appeal-ask = 質問する
admin-appeal-grant = 承認する
admin-appeal-deny = 却下する
admin-appeal-scope = 通過を認める範囲
admin-appeal-campaign = この配信
admin-appeal-identity = 確認済みのこの送信者のすべてのメール
admin-appeal-days = 日数
admin-appeal-most = 通数
admin-appeal-reason-grant = 送信者に示す説明（任意）
admin-appeal-reason-deny = 送信者に示す理由
admin-appeal-freed = { $n ->
    [0] 配信される保留メールはありません。
   *[other] 保留中の { $n } 件がすぐに配信されます。
}
admin-appeal-blocked = { $n } 件は、受信者または組織が送信者をブロックしているため配信されません。
admin-appeal-elsewhere = { $n } 件は、他の組織が判断するため配信されません。
admin-appeal-harmful = { $n } 件は、マルウェアまたはフィッシングのため配信されません。
admin-appeal-more = ここで数えきれない分がほかにあります。
admin-appeal-own-only = あなたの組織にのみ適用されます。
admin-appeal-once = 送信者が確認できないため、保留中のメールだけが配信されます。次のメールは同じ送信者と認識されません。
admin-appeal-used = { $volume } 通中 { $used } 通使用、{ $day }まで
admin-appeal-freeing = 保留メールを配信中です。
admin-appeal-not-his = この申請は他の組織にも関わるため、運用者が判断します。
admin-appeal-decided = { $by } が先に判断しました：
admin-appeal-expired = その間に期限切れになりました：
admin-appeal-too-long = やり取りが長すぎます。電話をご利用ください。
admin-appeal-unproved = 送信者が確認できないため、この配信のみ承認できます。
admin-appeal-terms = 範囲を選び、1～1,100 日、1 通以上を指定してください。
admin-appeal-incomplete = 文章が入力されていません。
appeal-state-received = 判断待ち
appeal-state-asked = 送信者の回答待ち
appeal-state-granted = 承認
appeal-state-denied = 却下
appeal-state-expired = 期限切れ

## 重み
admin-demote-help = 覆されることの多い判定項目は、ここで重みを半分またはゼロにできます。新しいメールにすぐ適用され、元に戻せます。分類で決まるもの（マルウェア、フィッシング、一斉送信）は変わりません。
admin-demoted-by = 変更者：
admin-halve = 半分にする
admin-weigh-nothing = ゼロにする
admin-weigh-again = 元の重みに戻す

## 公開統計
stats = 数字で見るメール
stats-text = 過去 4 週間のメールフィルターの実績です。数字のみで、個人や組織に関する情報は含みません。
stats-shares = 保留・拒否・破棄の合計に対する割合。
stats-begin = 4 週間前

## Accounts
admin-letters-to = 申請についてのお知らせ先
admin-letters-to-help = 申請が届いたときと期限の前に、1日1通までお知らせします。空欄の場合は、ご自身でご確認ください。
admin-address-wrong = アドレスの形式が正しくありません。
admin-keep = 保存
