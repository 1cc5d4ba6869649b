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

## 隔離
admin-quarantine = 隔離
admin-search-held = アドレスや件名の一部、または参照番号
admin-nothing-held = 保留中のメールはありません。良好です。
admin-filling = 起動後の検索準備中です。古いメールはまもなく表示されます。
admin-received = 受信
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
