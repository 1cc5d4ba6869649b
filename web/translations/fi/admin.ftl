### Ylläpitokonsolin sanat. Lyhyesti; standardien sanoin.

admin-name = Reprieven konsoli
admin-rail = Osiot
admin-keys = Näppäimet
admin-close = Sulje
admin-key-search = Hae
admin-key-rows = Seuraava ja edellinen rivi
admin-key-open = Avaa
admin-key-choose = Valitse rivi
admin-key-release = Vapautuspainikkeeseen
admin-key-help = Tämä luettelo

## Sisään ja ulos
admin-login = Tunnus
admin-password = Salasana
admin-code = Koodi
admin-code-help = Kuusi numeroa todennussovelluksesta tai yksi palautuskoodeistasi.
admin-log-in = Kirjaudu sisään
admin-logout = Kirjaudu ulos kaikkialta
admin-login-wrong = Tunnus, salasana tai koodi on väärin. Koodi kelpaa kerran: odota seuraavaa.
admin-login-later = Liian monta yritystä. Odota kymmenen minuuttia tai käytä laitetta, jolla on kirjauduttu aiemmin.
admin-login-unreadable = Laitteesi koodia ei voi tarkistaa: sitä suojaava avain on poistettu tästä yhdyskäytävästä. Käytä sen sijaan palautuskoodia. Jos sinulla ei ole sellaista, pyydä ylläpitäjältä uusi käyttöönottolinkki (reprieve admin reset).
admin-login-again = Sivu oli liian vanha. Yritä vielä kerran.
admin-setup = Ota tunnuksesi käyttöön
admin-new-password = Uusi salasana
admin-password-help = Vähintään 12 merkkiä. Lause on helpompi muistaa kuin arvoitus.
admin-authenticator = Kertakäyttökoodit
admin-authenticator-text = Syötä tämä avain todennussovellukseesi tai avaa se siinä:
admin-authenticator-open = Avaa todennussovelluksessa
admin-first-code = Koodi, jonka se nyt näyttää
admin-set-up = Ota käyttöön
admin-password-short = Salasanassa pitää olla vähintään 12 merkkiä.
admin-password-long = Tätä salasanaa ei voi käyttää: enintään 1 024 tavua.
admin-password-wrong = Nykyinen salasana on väärin.
admin-code-wrong = Koodi ei täsmää. Tarkista laitteesi kello ja syötä nykyinen koodi.
admin-recovery = Talleta nämä palautuskoodit
admin-recovery-text = Kukin avaa kerran kertakäyttökoodin sijasta. Ne näytetään vain nyt.

## Luettelot
admin-search = Hae
admin-pages = Sivut
admin-first-page = Ensimmäinen sivu
admin-next-page = Seuraava sivu
admin-all = Kaikki
admin-actions = Toiminnot
admin-nothing-found = Mitään ei löytynyt.
admin-nothing-yet = Tähän mennessä läpikäydystä osasta ei löytynyt mitään.
admin-unreadable = Tietuetta { $key } ei voi lukea, ja se puuttuu tästä. Pysäytä palvelu ja aja reprieve store verify: se kertoo, mikä on vialla.
admin-search-on = Jatka hakua

## Karanteeni
admin-quarantine = Karanteeni
admin-search-held = Osoitteen tai aiheen osa tai viitenumero
admin-nothing-held = Mitään ei ole pidätettynä. Hyvä.
admin-filling = Hakua rakennetaan käynnistyksen jälkeen; vanhemmat viestit tulevat näkyviin hetken kuluttua.
admin-received = Vastaanotettu
admin-from-day = Päivästä
admin-to-day = päivään (UTC)
admin-show = Näytä
admin-from = Lähettäjä
admin-to = Vastaanottaja
admin-subject = Aihe
admin-no-subject = ei aihetta
admin-class = Luokka
admin-score = Pisteet
admin-state = Tila
admin-others = ja { $n ->
    [one] yksi muu
   *[other] { $n } muuta
}
class-unwanted = ei-toivottu
class-mass = massaposti
class-marketing = markkinointi
class-impersonated = tekeytyvä
class-unscannable = ei tutkittavissa
class-first-contact = ensikontakti
class-poll = kysely
class-social = sosiaalinen
state-held = pidätetty
state-releasing = vapautumassa
state-released = vapautettu
state-delivered = toimitettu
state-failed = epäonnistunut
state-withdrawn = peruttu
state-refused = torjuttu
state-disowned = kiistetty
state-expired = vanhentunut

## Oma tili
admin-account = Oma tili
admin-sessions = Istunnot
admin-last-seen = Viimeksi
admin-since = Alkaen
admin-client = Osoite
admin-browser = Selain
admin-this-session = tämä
admin-end = Lopeta
admin-change-password = Vaihda salasana

## Tapahtumaloki
admin-audit = Tapahtumaloki
admin-search-audit = Tekijän, teon, kohteen tai syyn osa
admin-export = Vie CSV-tiedostoon
admin-when = Milloin
admin-who = Kuka
admin-what = Mitä
admin-about = Kohde
admin-why = Miksi
admin-change = Ennen → jälkeen

## Estot
forbidden = Tämä ei kuulu oikeuksiisi
forbidden-text = Roolisi ei sisällä tätä sivua tai toimintoa. Yritys kirjattiin lokiin. Kysy operaattorilta, jos tarvitset sitä.

## Yleiskuva
admin-overview = Yleiskuva
admin-all-well = Mikään ei odota päätöstä.
admin-held-now = Pidätettynä nyt
admin-waiting = Odottaa toimitusta
admin-undelivered = Toimittamatta
admin-last-decisions = Viimeisimmät päätökset
admin-need-disk = Levy on täynnä: uuteen postiin vastataan 452, kunnes tilaa on.
admin-need-store = Tietovarasto ei vastaa. Katso lokia ja käynnistä uudelleen.
admin-need-breaker = Kirjeiden lähetys on keskeytetty, koska liian moni palautui. Katso: reprieve notices.
admin-need-late = Toimitus on myöhässä: seuraava palvelin ei ehkä vastaa. Katso jonoa.
admin-need-key = Linkkejä allekirjoittava avain on { $n } päivää vanha. Luo uusi ja ota se sitten käyttöön.
admin-need-inquiry = Estolistan latausoikeutta pyytäviä organisaatioita: { $n }.
admin-need-drift = Postipalvelimen { $server } lista ei ole se, joka sille annettiin.
admin-need-provider = { $domain } vastaa kuin mitään osoitetta ei olisi. Sen vastaukset eivät estä ketään, ennen kuin olet katsonut asian.

## Pidätetty viesti
admin-held-message = Pidätetty viesti
admin-mail-from = Paluupolku
admin-until = vanhenee
admin-reference = Viite
admin-told-not = lähettäjälle ei ole kerrottu
admin-told-reply = lähettäjälle kerrottiin SMTP-vastauksessa
admin-told-letter = lähettäjälle kerrottiin kirjeellä
admin-release = Vapauta
admin-delete = Poista …
admin-delete-for-good = Poista lopullisesti
admin-findings = Löydökset
admin-finding = Löydös
admin-weight = Paino
admin-authentication = Todennus
admin-authentication-none = Tuloksia ei ole tallennettu.
admin-method = Menetelmä
admin-result = Tulos
admin-details = Tiedot
admin-headers = Otsakkeet
admin-attachments = Liitteet
admin-story = Saapumisesta tähän hetkeen
admin-erased = viesti on poistettu
admin-text = Teksti
admin-text-cut = Teksti jatkuu; tässä on sen alku.
admin-text-none = Tekstiä ei voi näyttää turvallisesti.
admin-read = Lue
admin-read-help = Toisen postin lukeminen vaatii syyn. Se kirjataan nimelläsi.
admin-reason = Lukemisen syy
admin-reason-needed = Anna ensin syy.
admin-recipient-refuses = Vastaanottaja tai hänen organisaationsa estää tämän lähettäjän. Mitään ei vapautettu.
admin-decided-already = Joku on jo päättänyt tästä. Tilanne on nyt tämä.

## Monta kerralla
admin-choose = Valitse
admin-choose-all = Valitse kaikki sivun rivit
admin-choose-whole = Kaikki, mitä haku löytää
admin-bulk = Päätä monesta
admin-bulk-go = Kyllä, tee näin
admin-bulk-release = Vapautetaanko { $n ->
    [one] tämä viesti?
   *[other] nämä { $n } viestiä?
}
admin-bulk-delete = Poistetaanko { $n ->
    [one] tämä viesti lopullisesti?
   *[other] nämä { $n } viestiä lopullisesti?
}
admin-back = Takaisin
admin-progress = { $done } / { $total } valmiina, { $left } jäi ennalleen.
admin-goes-on = Voit sulkea sivun: työ jatkuu.
admin-stop = Keskeytä

## Lähettäjät
admin-senders = Lähettäjät
admin-sender = Lähettäjä
admin-search-senders = Osoitteen osa
admin-address = Osoite
admin-proof = Todiste
admin-network = verkko
admin-standing = Asema
admin-releases = Vapautuksia
admin-revocations = Peruutuksia
admin-clean-days = Puhtaita päiviä
admin-trust = Luota
admin-revoke = Peru luottamus
admin-bar = Sulje pois
admin-flags = Ilmoitukset
admin-no-flags = Kukaan ei ole ilmoittanut tästä lähettäjästä.
admin-organisation = Organisaatio
admin-his-mail = Tämän lähettäjän posti
standing-probation = koeajalla
standing-trusted = luotettu
standing-revoked = luottamus peruttu
standing-barred = suljettu pois

## Jono
admin-queue = Jono
admin-queue-empty = Mikään ei odota. Hyvä.
admin-kind = Laji
admin-attempts = Yrityksiä
admin-next-attempt = Seuraava yritys
admin-kept-until = Uusittavissa
admin-answer = Viimeisin vastaus
admin-retry = Yritä nyt
admin-give-up = Luovuta
item-release = vapautettu viesti
item-letter = kirje
item-dsn = DSN
item-accepted = hyväksytty viesti
item-waiting = odottaa
item-claimed = toimitettavana

## Avaimet
admin-link-keys = Avaimet
admin-keys-help = Näillä avaimilla allekirjoitetaan linkit. Uusi avain tarkistaa heti ja allekirjoittaa, kun se otetaan käyttöön; usean solmun asennuksessa kopioi tiedosto ensin jokaiseen. Poistetun avaimen linkit lakkaavat toimimasta.
admin-key = Avain
admin-made = Luotu
admin-key-signs = allekirjoittaa
admin-key-verifies = tarkistaa
admin-promote = Ota käyttöön
admin-retire = Poista
admin-new-key = Luo uusi avain

## Tunnukset ja avainmerkit
admin-accounts = Tunnukset
admin-role = Rooli
admin-last-login = Viimeisin kirjautuminen
admin-add = Lisää ylläpitäjä
admin-organisations = Organisaatiot (organisaation ylläpitäjälle)
admin-disable = Poista käytöstä
admin-enable = Ota käyttöön
admin-reset = Nollaa
admin-setup-link = Tämä linkki ottaa tunnuksen käyttöön kerran ja vuorokauden kuluessa. Anna se omistajalle tavalla, jota kukaan muu ei näe:
admin-last-operator = Tämä on viimeinen operaattori, joka voi kirjautua. Luo ensin toinen.
admin-login-taken = Tämänniminen ylläpitäjä on jo olemassa.
admin-login-form = Tunnuksessa on 1–64 pientä kirjainta, numeroa tai merkkiä . _ - @
admin-role-organisations = Valitse organisaatiot, joista tämä ylläpitäjä päättää.
account-active = käytössä
account-disabled = pois käytöstä
account-invited = ei vielä otettu käyttöön
role-operator = operaattori
role-organisation-admin = organisaation ylläpitäjä
role-auditor = tarkastaja
admin-tokens = API-tunnisteet
admin-tokens-help = Ohjelmat käyttävät näitä osoitteessa /api/v1. Tunniste voi tehdä enintään sen, mitä sen luonut tunnus voi.
admin-no-tokens = Tunnisteita ei ole.
admin-make-token = Luo tunniste
admin-token-once = Kopioi tunniste nyt; sitä ei näytetä uudelleen.
admin-name-of = Käyttötarkoitus
admin-scope = Saa
admin-days = Voimassa (päivää)
admin-revoke-token = Peruuta
scope-read = nähdä
scope-decide = nähdä ja päättää
scope-appoint = nähdä, päättää ja hoitaa tilejä (riittää kirjautumaan kenenä tahansa ylläpitäjänä)

## Tilastot
admin-statistics = Tilastot
admin-span = Aikaväli
admin-day = Päivä
admin-week = Viikko
admin-year = Vuosi
admin-day-ago = 24 tuntia sitten
admin-week-ago = viikko sitten
admin-year-ago = vuosi sitten
admin-now = nyt
admin-band = Vyö näyttää neljän edellisen viikon pienimmän ja suurimman arvon, katkoviiva keskiarvon.
admin-past-week = Kulunut viikko
admin-overruled = Kuinka usein löydös kumottiin
admin-overruled-help = Muistissa olevista viesteistä: kuinka monessa löydös oli ja kuinka moni niistä vapautettiin.
admin-freed = vapautettu
count-held = pidätetty
count-released = vapautettu
count-delivered = toimitettu vapautuksen jälkeen
count-rejected = torjuttu
count-destroyed = haittaohjelma torjuttu
