### Portaalin lauseet. Lyhyesti, sinutellen, syyttelemättä.

language-name = Suomi
installation-name = Viestien vapautus

## Kehys
skip = Siirry sisältöön
foot-nav = Tietoa palvelusta
language-nav = Kieli
contact = Yhteystiedot:
or = tai
comma = ,{ " " }
space = { " " }
about-link = Mikä tämä sivu on?
help-link = Ohjeita estetyille lähettäjille
lost-link = Onko linkki hukassa?
by-reprieve = viestien vapautus: Reprieve

## Ajat, koot, määrät
date = { $day }. { $month }
today = tänään klo { $clock }
date-time = { $day }. { $month } { $year }, klo { $clock }
month-1 = tammikuuta
month-2 = helmikuuta
month-3 = maaliskuuta
month-4 = huhtikuuta
month-5 = toukokuuta
month-6 = kesäkuuta
month-7 = heinäkuuta
month-8 = elokuuta
month-9 = syyskuuta
month-10 = lokakuuta
month-11 = marraskuuta
month-12 = joulukuuta
ago-seconds = { $n ->
    [0] juuri nyt
    [one] { $n } sekunti sitten
   *[other] { $n } sekuntia sitten
}
ago-minutes = { $n ->
    [one] { $n } minuutti sitten
   *[other] { $n } minuuttia sitten
}
ago-hours = { $n ->
    [one] { $n } tunti sitten
   *[other] { $n } tuntia sitten
}
ago-days = { $n ->
    [one] { $n } päivä sitten
   *[other] { $n } päivää sitten
}
in-seconds = { $n ->
    [0] nyt
    [one] { $n } sekunnin kuluttua
   *[other] { $n } sekunnin kuluttua
}
in-minutes = { $n ->
    [one] { $n } minuutin kuluttua
   *[other] { $n } minuutin kuluttua
}
in-hours = { $n ->
    [one] { $n } tunnin kuluttua
   *[other] { $n } tunnin kuluttua
}
in-days = { $n ->
    [one] { $n } päivän kuluttua
   *[other] { $n } päivän kuluttua
}
countdown-seconds = N s kuluttua
size-kilobytes = { $n } kt
size-megabytes = { $n } Mt
attachments = { $n ->
    [one] { $n } liite
   *[other] { $n } liitettä
}
recipients = { $n ->
    [one] { $n } vastaanottaja
   *[other] { $n } vastaanottajaa
}
and-others = { $n ->
    [one] ja { $n } muu
   *[other] ja { $n } muuta
}

## Viesti
subject = Aihe
no-subject = (ei aihetta)
sent = Lähetetty
size = Koko
reference = Viite

## Viestisi odottaa
waiting = Viestisi odottaa
waiting-lede = { $n ->
    [one] Sitä ei ole vielä toimitettu vastaanottajalle
   *[other] Sitä ei ole vielä toimitettu vastaanottajille
}
why = Miksi viesti pysäytettiin
why-general = Useat pienet merkit yhdessä saivat viestin näyttämään ei-toivotulta.
declare = Millainen viesti tämä on?
declare-bulk = Uutiskirje, tarjous, kysely tai muu joukkopostitus
declare-not-mine = En ole lähettänyt sitä
declare-personal = Henkilökohtainen tai työasiaan liittyvä viesti, jota vastaanottaja odottaa tai josta hänelle on hyötyä
declare-nothing = Valitse, millaisesta viestistä on kyse.
continue = Jatka
waits-until = Viesti odottaa { $day } asti. Sinun ei tarvitse lähettää sitä uudelleen.
stale-foreign = Lomaketta ei voitu hyväksyä sellaisenaan. Tee valinta vielä kerran.
stale-young = Se kävi hyvin nopeasti. Tarkista tiedot ja paina painiketta vielä kerran.
stale-old = Sivu on ollut auki pitkään. Paina painiketta vielä kerran.

## Toimitetaanko viesti?
confirm = Toimitetaanko viesti?
confirm-to = Vastaanottaja:
confirm-follows = Seuraavat viestisi menevät perille ilman tätä vaihetta.
confirm-ends = Jos vastaanottajat ilmoittavat, etteivät halua viestejäsi, tämä päättyy.
deliver = Toimita viesti
back = Takaisin

## En ole lähettänyt sitä
disown = Etkö lähettänyt tätä viestiä?
disown-thanks = Kiitos ilmoituksesta. Joku saattaa käyttää osoitettasi lähettäjänä.
disown-follows = Jos vahvistat tämän, viestiä ei toimiteta eikä sitä voi enää vapauttaa.
disown-ends = Jos viesti sittenkin on sinun, palaa takaisin ja valitse uudelleen.
disown-button = En ole lähettänyt viestiä
disowned = Kiitos – viestiä ei toimiteta
disowned-text = Kerroit, ettet ole lähettänyt tätä viestiä. Sitä ei toimiteta, ja se poistetaan.
disowned-advice = Kolme verkkotunnuksesi DNS-tietuetta estää muita käyttämästä nimeäsi:
disowned-spf = luettelee palvelimet, jotka saavat lähettää postia verkkotunnuksesi nimissä.
disowned-dkim = allekirjoittaa viestisi, jolloin muut näkevät niiden todella tulevan sinulta.
disowned-dmarc = pyytää vastaanottajia torjumaan nimissäsi lähetetyt viestit, joista kumpikin puuttuu. Ota käyttöön asetus p=reject, kun oma postisi läpäisee tarkistukset.
disowned-ask = Sähköpostisi ylläpitäjä voi ottaa nämä käyttöön. Jos epäilet, että joku pääsee postilaatikkoosi, vaihda sen salasana.

## Matkalla
moving = Viesti on matkalla
releasing-text = { $n ->
    [one] Vapautit viestin. Se toimitetaan pian vastaanottajalle
   *[other] Vapautit viestin. Se toimitetaan pian vastaanottajille
}
releasing-starts = Toimitus alkaa
releasing-now = Toimitus alkaa nyt.
take-back = Peru toimitus
released-text = Luovutamme viestiä vastaanottajan sähköpostipalvelimelle:
refresh = Päivitä sivu
answer-later = Palvelin pyysi yrittämään myöhemmin uudelleen:

## Lopputulokset
delivered = Viesti on toimitettu
delivered-to = Toimitettu verkkotunnuksen { $domain } sähköpostipalvelimelle klo
answer = Palvelimen vastaus:
failed = Viestiä ei voitu toimittaa
failed-to = Verkkotunnuksen { $domain } sähköpostipalvelin kieltäytyi vastaanottamasta viestiä klo
answer-refused = Palvelimen vastaus:
failed-now = Viesti on tallessa, ja palvelun ylläpito näkee sen. Tavoita vastaanottaja muulla tavalla tai ota yhteyttä alla olevaan osoitteeseen.
withdrawn = Toimitus on peruttu
withdrawn-text = { $n ->
    [one] Toimitus peruttiin. Viestiä ei toimiteta vastaanottajalle
   *[other] Toimitus peruttiin. Viestiä ei toimiteta vastaanottajille
}
withdrawn-now = Jos haluat viestin sittenkin menevän perille, lähetä se uudelleen.
expired = Viesti on vanhentunut
expired-text = Viestiä ei vapautettu ajoissa, ja se on poistettu.
expired-now = Jos asia on yhä ajankohtainen, lähetä viesti uudelleen.
recipient-refuses = Vastaanottaja ei ota vastaan viestejäsi
recipient-asked = Asiaa on kysytty vastaanottajalta

## Kun lähettäjä ei voi vapauttaa viestiä
refuses = Mitä tämä tarkoittaa
refuses-text = Vastaanottaja tai hänen organisaationsa on päättänyt olla ottamatta vastaan viestejäsi. Viestiä ei toimiteta.
refuses-now = Jos uskot tämän olevan erehdys, käytä alla olevia yhteystietoja.
asked = Kuka päättää
asked-text = Mikään ei osoita, että viesti todella tulee siinä mainitusta osoitteesta, joten lähettäjä ei voi itse vapauttaa sitä. Vastaanottajalta on kysytty, toimitetaanko viesti.
asked-now = Sinun ei tarvitse tehdä mitään. Jos asia on kiireellinen, tavoita vastaanottaja muulla tavalla.
decides = Kuka päättää
decides-text = Emme pysty tutkimaan viestiä, esimerkiksi koska liite on salattu. Vastaanottaja tai hänen ylläpitäjänsä päättää, toimitetaanko viesti.
decides-now = Jos asia on kiireellinen, ilmoita vastaanottajalle yllä oleva viite tai lähetä sisältö muussa muodossa.
repair = Mitä voit tehdä
repair-text = Lähettäjän verkkotunnuksen omistaja on pyytänyt torjumaan viestit, jotka eivät todista tulevansa sieltä, eikä tämä viesti todista. Sitä ei voi vapauttaa.
repair-now = Jos lähetit viestin itse, käytä palveluntarjoajasi omaa sähköpostipalvelinta tai pyydä sähköpostisi ylläpitäjää lisäämään lähettävä palvelin verkkotunnuksen SPF-tietueeseen ja ottamaan DKIM-allekirjoitus käyttöön. Lähetä viesti sitten uudelleen.
tomorrow = Palaa huomenna
tomorrow-text = Verkostasi on tänään vapautettu enimmäismäärä viestejä. Viestisi odottaa yhä, ja linkki toimii edelleen.
appeal = Joukkopostittaja ei voi itse vapauttaa viestejään
appeal-text = Viesti näyttää joukkopostitukselta, joten sitä ei voi vapauttaa tällä linkillä.
appeal-now = Jos vastaanottajat todella odottavat sitä, ylläpitäjä voi päättää toimittamisesta. Kerro, kuka olet, mitä lähetät ja miten he ovat suostuneet siihen.
closed = Viestiä ei voi vapauttaa
closed-text = Tätä viestiä ei voi vapauttaa.

## Valitus, kunnes sen lomake on tässä
bulk = Joukkopostittaja ei voi itse vapauttaa viestejään
bulk-text = Uutiskirjeitä, tarjouksia ja kyselyjä ei toimiteta lähettäjän oman ilmoituksen perusteella.
bulk-other = Täällä postilaatikko on varattu tärkeille viesteille. Harkitse tarjouksille ja kyselyille muuta kanavaa.
bulk-now = Mitä voit tehdä nyt
bulk-write = Jos vastaanottajat odottavat postitusta ja tarvitsevat sitä, ota yhteyttä. Kerro, kuka olet, mitä lähetät, miksi asia on kiireellinen, miten vastaanottajat ovat suostuneet postitukseen ja kuinka monta heitä on. Ylläpitäjä päättää asiasta.
bulk-waits = Viesti odottaa sillä välin. Sinun ei tarvitse lähettää sitä uudelleen.

## Linkki ei toimi
link-invalid = Linkki ei toimi
link-invalid-text = Se voi olla vajaa: kopioi koko linkki.
link-invalid-lost = Jos et löydä koko linkkiä, voimme lähettää uuden.
paste-label = Koko linkki
paste-button = Avaa linkki

## Hukattu linkki
lost = Onko linkki hukassa?
lost-text = Kirjoita osoite, josta lähetit viestin. Jos meillä on siitä osoitteesta tulleita viestejä odottamassa, lähetämme siihen uuden linkin.
lost-label = Sähköpostiosoitteesi
lost-button = Lähetä linkki
lost-wrong = Tämä ei ole kokonainen sähköpostiosoite, kuten nimi@example.com.
lost-answer = Katso postilaatikkoosi
lost-answer-text = Jos meillä on tästä osoitteesta tulleita viestejä odottamassa, linkki on matkalla siihen.
lost-answer-limit = Siihen voi mennä muutama minuutti. Lähetämme enintään kolme linkkiä tunnissa.

## Virheet
not-found = Sivua ei löydy
not-found-text = Osoite voi olla väärin kirjoitettu tai vanhentunut. Viestillesi ei ole tapahtunut mitään.
method = Sivu toimii toisin
method-text = Selaimesi pyysi sivua tavalla, johon se ei vastaa. Viestillesi ei ole tapahtunut mitään. Avaa linkki uudelleen.
cross-site = Lomake tuli toiselta sivustolta
cross-site-text = Hyväksymme vain omilta sivuiltamme lähetetyt lomakkeet. Viestillesi ei ole tapahtunut mitään. Avaa tämä sivu uudelleen ja yritä vielä kerran.
bad-form = Lomaketta ei voitu lukea
bad-form-text = Viestillesi ei ole tapahtunut mitään. Palaa takaisin ja yritä uudelleen.
too-large = Liikaa kerralla
too-large-text = Selaimesi lähetti enemmän kuin mikään lomakkeemme vaatii. Viestillesi ei ole tapahtunut mitään.
too-slow = Yhteys oli liian hidas
too-slow-text = Mitään ei ole kadonnut. Yritä uudelleen.
too-many = Liian monta yritystä
too-many-text = Verkostasi on avattu monta linkkiä, jotka eivät toimi. Odota minuutti ja avaa linkkisi uudelleen.
misdirected = Väärä osoite
misdirected-text = Tämä palvelin ei vastaa selaimesi käyttämällä nimellä. Avaa linkki täsmälleen sellaisena kuin sait sen.
unavailable = Palvelu ei ole juuri nyt käytettävissä
unavailable-text = Viestisi on tallessa, eikä sille ole tapahtunut mitään. Yritä uudelleen muutaman minuutin kuluttua.
broken = Jotakin meni vikaan
broken-text = Vika on meidän. Viestisi on tallessa. Yritä uudelleen muutaman minuutin kuluttua.
