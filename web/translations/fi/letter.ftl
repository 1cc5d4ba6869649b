# Kirje todennetulle lähettäjälle. Kolme virkettä, eikä mitään hänen viestistään.
letter-subject = Ei vielä toimitettu: { $subject }
letter-subject-none = Viestiäsi ei ole vielä toimitettu
letter-waiting-named = Viestiäsi { $named ->
    [one] osoitteeseen
   *[other] osoitteisiin
} { $names } ei ole vielä toimitettu.
letter-waiting-others = Viestiäsi { $named ->
    [one] osoitteeseen
   *[other] osoitteisiin
} { $names } ja { $count ->
    [one] yhdelle muulle vastaanottajalle
   *[other] { $count } muulle vastaanottajalle
} ei ole vielä toimitettu.
letter-waiting-hidden = Viestiäsi { $count ->
    [one] vastaanottajalle
   *[other] { $count } vastaanottajalle
} ei ole vielä toimitettu.
letter-see = Tältä sivulta näet syyn ja sen, miten saat viestin perille:
letter-until = Viesti odottaa { $date } asti, eikä sinun tarvitse lähettää sitä uudelleen.
letter-contact = Kysyttävää? { $contact }
letter-reference = Viite { $reference }
letter-date = { $day }.{ $month }.{ $year }

# Vastaus, kun linkki on kadonnut.
letter-lost-subject = Odottavat viestisi
letter-lost = { $count ->
    [one] Yhtä viestiäsi ei ole vielä toimitettu.
   *[other] { $count } viestiäsi ei ole vielä toimitettu.
}
letter-lost-see = { $count ->
    [one] Tältä sivulta näet syyn ja sen, miten saat viestin perille:
   *[other] Näiltä sivuilta näet syyn ja sen, miten saat viestit perille:
}
letter-lost-each = Saapunut { $date }, viite { $reference }:
letter-lost-ignore = Jos et pyytänyt tätä kirjettä, voit jättää sen huomiotta.

# Ilmoitus, kun viesti vanhenee eikä lähettäjälle ole kerrottu siitä.
letter-expired-subject = Viestiäsi ei toimitettu
letter-expired = Viestisi ({ $date }) pysähtyi organisaation { $organisation } sähköpostisuodattimeen. Kukaan ei pyytänyt sitä ajoissa, joten sitä ei toimitettu. Jos asia on yhä ajankohtainen, lähetä viesti uudelleen tai kirjoita osoitteeseen { $contact } ja mainitse viite { $reference }.

# Kooste: mitä vastaanottajalle on pidätetty.
letter-digest-subject = { $count ->
    [one] Sinulle pidätettiin viesti
   *[other] Sinulle pidätettiin { $count } viestiä
}
letter-digest-held = { $count ->
    [one] Sinulle on pidätetty yksi viesti edellisen koosteen jälkeen. Sitä ei ole toimitettu.
   *[other] Sinulle on pidätetty { $count } viestiä edellisen koosteen jälkeen, todennäköisimmin toivotut ensin. Niitä ei ole toimitettu.
}
letter-digest-bulk = Uutiskirjeet, tarjoukset ja muut joukkoviestit
letter-digest-more = { $count ->
    [one] Yksi muu on omalla sivullasi.
   *[other] { $count } muuta on omalla sivullasi.
}
letter-digest-page = Omalla sivullasi näet kaiken, mitä sinulle on pidätetty, ja voit valita, kuinka usein tämä kooste tulee:
letter-digest-deliver = Toimita
letter-digest-block = Estä lähettäjä
letter-digest-show = Näytä
letter-digest-no-subject = (ei aihetta)
letter-digest-untold = lähettäjä ei tiedä tästä
letter-why-unwanted = näyttää roskapostilta
letter-why-unscannable = ei voitu tarkistaa
letter-why-impersonated = lähettäjä ei ole aito
letter-why-marketing = uutiskirje tai tarjous
letter-why-poll = kysely
letter-why-social = sosiaalinen media
letter-why-mass = lähetetty monelle
letter-why-first-contact = ensimmäinen viesti tältä lähettäjältä

# Linkki vastaanottajan omalle sivulle.
letter-invitation-subject = Avaa pidätettyjen viestiesi sivu
letter-invitation = Tästä linkistä avautuu sivu, jolla näet sinulle pidätetyt viestit. Linkki toimii tunnin:
letter-invitation-ignore = Jos et pyytänyt tätä kirjettä, voit jättää sen huomiotta. Älä välitä sitä eteenpäin: linkin haltija voi lukea pidätetyt viestisi.

# Pyynnön vaiheet.
letter-appeal-subject = Pyyntösi joukkoviestin toimittamisesta
letter-appeal-received = Pyyntösi on saapunut. Ihminen päättää siitä. Tältä sivulta näet aina, missä se on:
letter-appeal-question = Pyyntöösi liittyy kysymys. Vastaa siihen tällä sivulla:
letter-appeal-granted = Pyyntösi on hyväksytty. Tällä sivulla näet, mitä toimitetaan, mihin asti ja kuinka monta viestiä:
letter-appeal-denied = Pyyntösi on hylätty. Syy on tällä sivulla:
letter-appeal-expired = Kukaan ei päättänyt pyynnöstäsi ajoissa, joten se on suljettu. Jos lähetyksesi odottaa vielä, voit pyytää uudelleen tällä sivulla; tai ota yhteyttä alla olevaan osoitteeseen:

# Mikä odottaa ylläpitäjää.
letter-admin-appeals-subject = { $count ->
    [one] Pyyntö odottaa päätöstäsi
   *[other] { $count } pyyntöä odottaa päätöstäsi
}
letter-admin-appeals = { $count ->
    [one] Joukkopostin lähettäjä pyytää, että hänen lähetyksensä toimitetaan.
   *[other] { $count } joukkopostin lähettäjää pyytää, että heidän lähetyksensä toimitetaan.
} Mitään ei toimiteta ennen kuin ylläpitäjä päättää.
letter-admin-appeals-until = päätettävä viimeistään { $date }
letter-admin-appeals-page = Tältä sivulta näet, mitä he kertovat ja mitä heistä tiedetään, ja voit päättää. Tällainen kirje tulee enintään kerran päivässä:
