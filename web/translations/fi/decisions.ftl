### Mistä ylläpitäjät päättävät: pyynnöt ja painot; ja julkiset tilastot.

admin-key-block = Sulkemis- tai estopainikkeeseen
admin-key-appeal = Pyynnön hyväksymis- ja hylkäyspainikkeeseen
admin-yes = kyllä
admin-no = ei

## Pyynnöt
admin-appeals = Pyynnöt
admin-appeals-received = Odottaa meitä
admin-appeals-asked = Odottaa lähettäjää
admin-appeals-closed = Päätetyt
admin-appeals-none = Yksikään pyyntö ei odota päätöstä. Hyvä.
admin-search-appeals = Lähettäjän, aiheen, viitteen tai tekstin osa
admin-appeals-wait = { $n ->
    [one] Yksi pyyntö odottaa päätöstä
   *[other] { $n } pyyntöä odottaa päätöstä
}
admin-appeal = Pyyntö
admin-appeal-since = Odottanut
admin-appeal-deadline = Päätettävä
admin-appeal-many = Vastaanottajia
admin-appeal-others = ja muita organisaatioita
admin-appeal-decision = Päätös
admin-appeal-says = Mitä lähettäjä sanoo
admin-appeal-known = Mitä tiedämme
admin-appeal-proved = Lähettäjä todennettu
admin-appeal-one-click = Peruutus yhdellä napsautuksella (RFC 8058)
admin-appeal-volume = Havaittu määrä
admin-appeal-seen = Pidätettyjä viestejä: { $held } (kappaleita: { $copies }). Viime aikoina läpi tästä verkkotunnuksesta tai verkosta: noin { $passed }.
admin-appeal-complaints = Valitukset
admin-appeal-flags = { $n } (kappaleita: { $of }; { $rate } %)
admin-appeal-named = Kampanja
admin-appeal-talk = Kysymykset ja vastaukset
admin-appeal-he = Lähettäjä:
admin-appeal-we = Me:
admin-appeal-question = Kysymys lähettäjälle
admin-appeal-ask = Kysy
admin-appeal-grant = Hyväksy
admin-appeal-deny = Hylkää
admin-appeal-scope = Mikä pääsee läpi
admin-appeal-campaign = Tämä kampanja
admin-appeal-identity = Kaikki tämän todennetun lähettäjän posti
admin-appeal-days = Kuinka monta päivää
admin-appeal-most = Kuinka monta viestiä
admin-appeal-reason-grant = Mitä lähettäjä lukee (vapaaehtoinen)
admin-appeal-reason-deny = Syy, jonka lähettäjä lukee
admin-appeal-freed = { $n ->
    [0] Mitään pidätettyä ei toimitettaisi.
    [one] Yksi pidätetty kappale toimitetaan heti.
   *[other] { $n } pidätettyä kappaletta toimitetaan heti.
}
admin-appeal-blocked = { $n ->
    [one] Yhtä ei: vastaanottaja tai organisaatio estää lähettäjän.
   *[other] { $n } ei: vastaanottajat tai organisaatiot estävät lähettäjän.
}
admin-appeal-elsewhere = { $n ->
    [one] Yhtä ei: siitä päättää toinen organisaatio.
   *[other] { $n } ei: niistä päättävät muut organisaatiot.
}
admin-appeal-harmful = { $n ->
    [one] Yhtä ei: se on haittaohjelma tai tietojenkalastelua.
   *[other] { $n } ei: ne ovat haittaohjelmia tai tietojenkalastelua.
}
admin-appeal-more = Kaikkea ei ehditty laskea tähän.
admin-appeal-own-only = Se koskee vain omia organisaatioitasi.
admin-appeal-once = Mikään ei todenna tätä lähettäjää, joten vain pidätetty viesti toimitetaan; hänen seuraavaa viestiään ei tunnisteta.
admin-appeal-used = { $used } / { $volume } viestiä käytetty, voimassa { $day } asti
admin-appeal-freeing = Pidätettyjä viestejä toimitetaan vielä.
admin-appeal-not-his = Tämä pyyntö koskee muitakin organisaatioita: siitä päättää operaattori.
admin-appeal-decided = { $by } ehti ensin. Asia on päätetty:
admin-appeal-expired = Se vanheni sillä välin:
admin-appeal-too-long = Keskustelu on liian pitkä. Soita.
admin-appeal-unproved = Mikään ei todenna tätä lähettäjää: vain tämä kampanja voidaan hyväksyä.
admin-appeal-terms = Valitse, mikä pääsee läpi, 1–1 100 päivää ja vähintään yksi viesti.
admin-appeal-incomplete = Teksti puuttuu.
appeal-state-received = odottaa meitä
appeal-state-asked = odottaa lähettäjää
appeal-state-granted = hyväksytty
appeal-state-denied = hylätty
appeal-state-expired = vanhentunut

## Painot
admin-demote-help = Liian usein kumotun havainnon painoa voi pienentää tässä: puoleen tai nollaan. Muutos koskee heti uutta postia, ja sen voi perua. Mitä havainnon luokka ratkaisee (haittaohjelma, tietojenkalastelu, joukkoposti), pysyy ennallaan.
admin-demoted-by = pienentänyt
admin-halve = Puolita
admin-weigh-nothing = Nollaan
admin-weigh-again = Täysi paino

## Julkiset tilastot
stats = Posti numeroina
stats-text = Mitä postisuodatin teki viimeisten neljän viikon aikana. Vain lukuja: ei mitään henkilöistä tai organisaatioista.
stats-shares = Prosentteina siitä, mikä pidätettiin, hylättiin tai tuhottiin.
stats-begin = neljä viikkoa sitten

## Accounts
admin-letters-to = Kirjeet pyynnöistä
admin-letters-to-help = Saat tiedon uudesta pyynnöstä ja ennen sen määräaikaa, enintään yhden kirjeen päivässä. Tyhjä: katsot itse.
admin-address-wrong = Tämä ei ole osoite.
admin-keep = Tallenna
