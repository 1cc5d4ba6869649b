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

## Karanteeni
admin-quarantine = Karanteeni
admin-search-held = Osoitteen tai aiheen osa tai viitenumero
admin-nothing-held = Mitään ei ole pidätettynä. Hyvä.
admin-filling = Hakua rakennetaan käynnistyksen jälkeen; vanhemmat viestit tulevat näkyviin hetken kuluttua.
admin-received = Vastaanotettu
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
