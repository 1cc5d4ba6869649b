### Vastaanottajan omat sivut.

me = Pidätetyt viestisi
me-ask = Kirjoita oma sähköpostiosoitteesi. Siihen lähetetään linkki sinulle pidätettyihin viesteihin; salasanaa ei ole.
me-asked = Jos tähän osoitteeseen on pidätetty viestejä, linkki on matkalla. Se toimii tunnin.
me-enter = Tästä avautuvat viestit, jotka on pidätetty osoitteelta
me-open = Avaa pidätetyt viestini
me-enter-lasts = Pysyt kirjautuneena tässä selaimessa kahdeksan tuntia, ellet kirjaudu ulos.
me-empty = Sinulle ei ole pidätetty mitään. Hyvä.
me-waiting = { $n ->
    [one] Sinulle on pidätetty yksi viesti.
   *[other] Sinulle on pidätetty { $n } viestiä, todennäköisimmin toivotut ensin.
}
me-delivered = Pidätyksestä toimitetut
me-settings = Asetukset
me-back = Takaisin pidätettyihin viesteihin

## Mitä voi tehdä
me-deliver = Toimita
me-accept = Toimita ja hyväksy tämä lähettäjä aina
me-block = Estä lähettäjä
me-allow = Salli lähettäjä
me-spam = Ilmoita roskapostiksi
me-undo = Ei roskapostia: peru
me-end = Lopeta

## Syy kolmella sanalla
me-why-unwanted = näyttää roskapostilta
me-why-unscannable = ei voitu tarkistaa
me-why-impersonated = lähettäjä ei ole aito
me-why-marketing = Uutiskirjeet ja tarjoukset
me-why-poll = Kyselyt
me-why-social = Sosiaalinen media
me-why-mass = lähetetty monelle
me-why-first-contact = ensimmäinen viesti tältä lähettäjältä

## Yksi viesti
me-held = Pidätetty sinulle
me-blocked = Et ota vastaan tämän lähettäjän viestejä
me-blocked-text = Sinä tai organisaatiosi on estänyt tämän lähettäjän. Hänen viestinsä torjutaan.
me-flagged = Ilmoitettu roskapostiksi
me-flagged-text = Tämä lähettäjä on estetty sinulta. Organisaatiosi sana painaa, kun muualla harkitaan luottamusta häneen. Voit perua tämän 30 päivän ajan.
me-from = Lähettäjä
me-to = Vastaanottaja
me-why = Pidätyksen syy
me-proof = Aitous
me-proof-yes = todistettu: viesti todella tulee tästä osoitteesta
me-proof-no = ei todistettu: kuka tahansa on voinut kirjoittaa tämän osoitteen
me-told = Lähettäjälle
me-told-not = ei ole kerrottu
me-told-reply = kertoi hänen sähköpostipalvelimensa
me-told-letter = on kerrottu kirjeellä
me-text = Viesti tekstinä
me-text-cut = Teksti jatkuu; tässä näkyy vain alku.
me-text-none = Viestissä ei ole tekstiä.
me-text-unreadable = Viestiä ei voi näyttää turvallisesti.
me-text-safe = Kuvia tai muuta ulkoista sisältöä ei koskaan ladata tällä sivulla.
me-attachments = Liitteet
me-attachment = Nimetön liite
me-gone = Tämä viesti ei enää odota, tai sen linkki on vanhentunut.

## Kysytään kerran
me-again = Tarkista ja paina painiketta vielä kerran.
me-deliver-ask = Toimitetaanko tämä viesti sinulle?
me-deliver-text = Se menee vain sinun postilaatikkoosi, eikä vaikuta lähettäjän muihin viesteihin.
me-deliver-careful = Mikään ei todista, kuka sen on kirjoittanut. Älä avaa liitteitä tai linkkejä, joita et odota.
me-accept-ask = Toimitetaanko se ja hyväksytäänkö tämä lähettäjä aina?
me-accept-text = Viestejä, jotka todistetusti tulevat tästä osoitteesta, ei enää pidätetä sinulta. Haittaohjelmat pysäytetään silti.
me-block-ask = Estetäänkö tämä lähettäjä?
me-block-text = Tästä osoitteesta sinulle tulevat viestit torjutaan, ja lähettäjälle kerrotaan se. Voit lopettaa eston asetuksissa.
me-spam-ask = Ilmoitetaanko roskapostiksi?
me-spam-text = Lähettäjä estetään sinulta heti, eikä häneen enää luoteta hänen omalla sanallaan. Voit perua tämän 30 päivän ajan.
me-undo-ask = Eikö tämä ole roskapostia?
me-undo-text = Ilmoituksesi ja sen tekemä esto päättyvät.
me-flag-gone = Tämä linkki on vanhentunut
me-flag-gone-text = Viestistä voi ilmoittaa 30 päivän ajan sen toimittamisesta.

## Asetukset
me-digest = Kooste pidätetyistä viesteistä
me-digest-off = Ei koskaan
me-digest-hourly = Joka tunti
me-digest-daily = Joka päivä
me-digest-weekly = Joka viikko
me-digest-hour = Kello ({ $zone })
me-digest-weekday = Viikonpäivä (viikoittaiselle koosteelle)
day-1 = maanantai
day-2 = tiistai
day-3 = keskiviikko
day-4 = torstai
day-5 = perjantai
day-6 = lauantai
day-7 = sunnuntai
me-choice-theirs = Kuten organisaationi
me-choice-deliver = Toimita
me-choice-hold = Pidätä
me-choice-reject = Torju
me-save = Tallenna
me-senders = Lähettäjät
me-blocks = Estetyt
me-allows = Sallitut
me-sender = Osoite tai verkkotunnus
me-sender-wrong = Tämä ei ole sähköpostiosoite eikä verkkotunnus.
me-allow-proof = Salliminen koskee vain viestejä, jotka todistetusti tulevat siitä osoitteesta.
me-flags = Roskapostiksi ilmoitetut
me-sessions = Missä olet kirjautuneena
me-session-this = tämä selain
me-leave = Kirjaudu ulos
me-leave-all = Kirjaudu ulos kaikkialta
