### 申請：フォームと状況

appeal-open = 配信を申請する
appeal-ask = 管理者に申請する
appeal-ask-text = 担当者が読んで判断します。通常は3日以内です。簡潔かつ具体的にお書きください。
appeal-who = あなたはどなたですか？
appeal-what = 何を送信していますか？
appeal-why = 受信者に届ける必要がある理由と、急ぐ理由
appeal-agreed = 受信者の同意をどのように得ましたか？
appeal-how-many = 受信者の人数
appeal-send = 申請を送信
appeal-incomplete = すべての質問にお答えください。最後の項目は数字です。
appeal-received = 申請を受け付けました
appeal-received-text = 担当者が判断します。経過はこのページでいつでもご覧いただけます。
appeal-question = 確認したいことがあります
appeal-question-text = 判断のため、下の欄でご回答ください。
appeal-granted = 申請が認められました
appeal-granted-text = 保留中のメールを配信しています。あなたのメールを受け付けない受信者は除きます。
appeal-until = この種のメールは{ $day }まで、最大{ $n }通が配信されます。
appeal-denied = 申請は認められませんでした
appeal-denied-text = この種のメールは配信されません。理由：
appeal-talk = やり取り
appeal-you = あなた：
appeal-we = 担当者：
appeal-add = ご回答・追記
appeal-say = 送信
