### 管理コンソールの言葉。簡潔に、規格の用語で。

admin-name = Reprieve 管理コンソール
admin-rail = セクション
admin-keys = キー操作
admin-close = 閉じる
admin-key-search = 検索
admin-key-rows = 次の行・前の行
admin-key-open = 開く
admin-key-choose = 行を選択
admin-key-release = 解放ボタンへ移動
admin-key-help = この一覧

## ログインとログアウト
admin-login = ログイン名
admin-password = パスワード
admin-code = 確認コード
admin-code-help = 認証アプリに表示される 6 桁の数字、または回復コードのいずれか。
admin-log-in = ログイン
admin-logout = すべての端末からログアウト
admin-login-wrong = ログイン名、パスワード、確認コードのいずれかが正しくありません。コードは一度しか使えません。次のコードをお待ちください。
admin-login-later = 試行回数が多すぎます。10 分待つか、以前にログインした端末をお使いください。
admin-login-unreadable = 端末の確認コードを検証できません。コードを保護する鍵がこのゲートウェイから削除されています。代わりに回復コードをお使いください。回復コードがない場合は、運用者に新しい設定リンクの発行をご依頼ください（reprieve admin reset）。
admin-login-again = ページの有効期限が切れました。もう一度お試しください。
admin-setup = アカウントの設定
admin-new-password = 新しいパスワード
admin-password-help = 12 文字以上。複雑な文字列より文章のほうが覚えやすくなります。
admin-authenticator = ワンタイムコード
admin-authenticator-text = 次のキーを認証アプリに入力するか、アプリで開いてください:
admin-authenticator-open = 認証アプリで開く
admin-first-code = 現在表示されているコード
admin-set-up = 設定する
admin-password-short = パスワードは 12 文字以上必要です。
admin-password-long = このパスワードは使えません。1,024 バイト以内にしてください。
admin-password-wrong = 現在のパスワードが正しくありません。
admin-code-wrong = コードが一致しません。端末の時計を確認し、現在のコードを入力してください。
admin-recovery = 回復コードを保管してください
admin-recovery-text = それぞれ、ワンタイムコードの代わりに一度だけ使えます。表示されるのは今回だけです。

## 一覧
admin-search = 検索
admin-pages = ページ
admin-first-page = 最初のページ
admin-next-page = 次のページ
admin-all = すべて
admin-actions = 操作
admin-nothing-found = 見つかりませんでした。
admin-nothing-yet = ここまでに調べた範囲では見つかりませんでした。
admin-unreadable = レコード { $key } は読み取れないため、ここには表示されません。サービスを停止し、reprieve store verify を実行してください。問題の内容が表示されます。
admin-search-on = 検索を続ける

## 隔離
admin-quarantine = 隔離
admin-search-held = アドレスや件名の一部、または参照番号
admin-nothing-held = 保留中のメールはありません。良好です。
admin-filling = 起動後の検索準備中です。古いメールはまもなく表示されます。
admin-received = 受信
admin-from-day = 開始日
admin-to-day = 終了日 (UTC)
admin-show = 表示
admin-from = 差出人
admin-to = 宛先
admin-subject = 件名
admin-no-subject = 件名なし
admin-class = 分類
admin-score = スコア
admin-state = 状態
admin-others = 他 { $n } 件
class-unwanted = 迷惑
class-mass = 大量送信
class-marketing = 広告
class-impersonated = なりすまし
class-unscannable = 検査不能
class-first-contact = 初回の連絡
class-poll = アンケート
class-social = ソーシャル
state-held = 保留中
state-releasing = 解放待ち
state-released = 解放済み
state-delivered = 配送済み
state-failed = 失敗
state-withdrawn = 取り下げ
state-refused = 拒否
state-disowned = 本人が否認
state-expired = 期限切れ

## 自分のアカウント
admin-account = マイアカウント
admin-sessions = セッション
admin-last-seen = 最終利用
admin-since = 開始
admin-client = アドレス
admin-browser = ブラウザー
admin-this-session = このセッション
admin-end = 終了
admin-change-password = パスワードを変更

## 監査
admin-audit = 監査記録
admin-search-audit = 実行者・操作・対象・理由の一部
admin-export = CSV で書き出す
admin-when = 日時
admin-who = 実行者
admin-what = 操作
admin-about = 対象
admin-why = 理由
admin-change = 変更前 → 変更後

## 拒否
forbidden = この操作の権限がありません
forbidden-text = あなたの役割ではこのページや操作は許可されていません。この試行は記録されました。必要な場合は運用者にお尋ねください。

## 概要
admin-overview = 概要
admin-all-well = 判断が必要なものはありません。
admin-held-now = 現在保留中
admin-waiting = 配送待ち
admin-undelivered = 未配送
admin-last-decisions = 最近の判断
admin-need-disk = ディスクに空きがありません。空きができるまで新しいメールには 452 を返します。
admin-need-store = ストアが応答しません。ログを確認し、再起動してください。
admin-need-breaker = 差出人への通知は、不達が多いため停止しています。reprieve notices を参照してください。
admin-need-late = 配送が遅れています。次のサーバーに問題がある可能性があります。キューを確認してください。
admin-need-key = リンクに署名する鍵は作成から { $n } 日経っています。新しい鍵を作り、有効にしてください。
admin-need-inquiry = 停止リストのダウンロード権限を求めている組織が { $n } 件あります。
admin-need-drift = メールサーバー { $server } のリストが、渡したものと異なります。
admin-need-provider = { $domain } がすべての宛先を不明と答えています。確認されるまで、この応答では誰も停止されません。

## 保留中のメール
admin-held-message = 保留中のメール
admin-mail-from = リバースパス
admin-until = 期限
admin-reference = 参照番号
admin-told-not = 差出人には知らせていません
admin-told-reply = 差出人には SMTP 応答で知らせました
admin-told-letter = 差出人には通知メールで知らせました
admin-release = 解放
admin-delete = 削除…
admin-delete-for-good = 完全に削除
admin-findings = 検出結果
admin-finding = 検出内容
admin-weight = 重み
admin-authentication = 認証
admin-authentication-none = 結果は記録されていません。
admin-method = 方式
admin-result = 結果
admin-details = 詳細
admin-headers = ヘッダー
admin-attachments = 添付ファイル
admin-story = 受信から現在まで
admin-erased = メールは消去されました
admin-text = 本文
admin-text-cut = 本文の冒頭のみを表示しています。
admin-text-none = 本文を安全に表示できません。
admin-read = 読む
admin-read-help = 他人のメールを読むには理由が必要です。あなたの名前とともに記録されます。
admin-reason = 読む理由
admin-reason-needed = まず理由を入力してください。
admin-recipient-refuses = 受信者またはその組織がこの差出人を拒否しています。解放されませんでした。
admin-decided-already = すでに判断済みです。現在の状態は次のとおりです。

## 一括操作
admin-choose = 選択
admin-choose-all = このページの行をすべて選択
admin-choose-whole = この検索で見つかるものすべて
admin-bulk = 一括操作
admin-bulk-go = 実行する
admin-bulk-release = { $n } 件のメールを解放しますか?
admin-bulk-delete = { $n } 件のメールを完全に削除しますか?
admin-back = 戻る
admin-progress = { $total } 件中 { $done } 件完了、{ $left } 件はそのままです。
admin-goes-on = このページを閉じても処理は続きます。
admin-stop = 中止

## 差出人
admin-senders = 差出人
admin-sender = 差出人
admin-search-senders = アドレスの一部
admin-address = アドレス
admin-proof = 証明
admin-network = ネットワーク
admin-standing = 評価
admin-releases = 解放回数
admin-revocations = 取消回数
admin-clean-days = 問題のない日数
admin-trust = 信頼する
admin-revoke = 信頼を取り消す
admin-bar = 締め出す
admin-flags = 報告
admin-no-flags = この差出人への報告はありません。
admin-organisation = 組織
admin-his-mail = この差出人のメール
standing-probation = 試用中
standing-trusted = 信頼済み
standing-revoked = 信頼取消
standing-barred = 締め出し

## キュー
admin-queue = キュー
admin-queue-empty = 待機中のものはありません。良好です。
admin-kind = 種類
admin-attempts = 試行回数
admin-next-attempt = 次の試行
admin-kept-until = 再試行の期限
admin-answer = 最後の応答
admin-retry = 今すぐ再試行
admin-give-up = 断念
item-release = 解放されたメール
item-letter = 通知メール
item-dsn = DSN
item-accepted = 受理したメール
item-waiting = 待機中
item-claimed = 配送中

## 鍵
admin-link-keys = 鍵
admin-keys-help = リンクはこれらの鍵で署名されます。新しい鍵はすぐに検証に使われ、有効にすると署名に使われます。複数ノードの場合は、先に鍵ファイルを全ノードにコピーしてください。廃止した鍵のリンクは無効になります。
admin-key = 鍵
admin-made = 作成
admin-key-signs = 署名
admin-key-verifies = 検証のみ
admin-promote = 有効にする
admin-retire = 廃止
admin-new-key = 新しい鍵を作る

## アカウントとトークン
admin-accounts = アカウント
admin-role = 役割
admin-last-login = 最終ログイン
admin-add = 管理者を追加
admin-organisations = 組織(組織管理者の場合)
admin-disable = 無効にする
admin-enable = 有効にする
admin-reset = リセット
admin-setup-link = このリンクは一日以内に一度だけ使えます。他人に見られない方法で本人に渡してください:
admin-last-operator = ログインできる最後の運用者です。先に別の運用者を作成してください。
admin-login-taken = 同じ名前の管理者がすでにいます。
admin-login-form = ログイン名は小文字の英数字と . _ - @ で 1〜64 文字です。
admin-role-organisations = この管理者が担当する組織を選んでください。
account-active = 有効
account-disabled = 無効
account-invited = 未設定
role-operator = 運用者
role-organisation-admin = 組織管理者
role-auditor = 監査者
admin-tokens = API トークン
admin-tokens-help = プログラムが /api/v1 で使います。トークンは作成したアカウント以上のことはできません。
admin-no-tokens = トークンはありません。
admin-make-token = トークンを作る
admin-token-once = 今すぐトークンをコピーしてください。再表示されません。
admin-name-of = 用途
admin-scope = 権限
admin-days = 有効日数
admin-revoke-token = 取り消す
scope-read = 閲覧
scope-decide = 閲覧と判断
scope-appoint = 閲覧、判断、アカウントの管理 (どの管理者としてもログインできる権限)

## 統計
admin-statistics = 統計
admin-span = 期間
admin-day = 日
admin-week = 週
admin-year = 年
admin-day-ago = 24 時間前
admin-week-ago = 1 週間前
admin-year-ago = 1 年前
admin-now = 現在
admin-band = 帯は過去 4 週間の最小値と最大値、破線は平均を示します。
admin-past-week = この 1 週間
admin-overruled = 検出結果が覆された割合
admin-overruled-help = 記録のあるメールのうち、その検出結果を持つ件数と、そのうち解放された件数です。
admin-freed = 解放
count-held = 保留
count-released = 解放
count-delivered = 解放後に配送
count-rejected = 拒否
count-destroyed = マルウェアを拒否
