### Julkiset sivut: ohjeita estetyille lähettäjille ja tietoa palvelusta.

help = Ohjeita estetyille lähettäjille
help-lede = Viestisi pysäytettiin, tai pelkäät niin käyneen. Täällä kerrotaan, miksi niin tapahtuu ja mitä voit tehdä.
help-why = Miksi viesti voidaan pysäyttää
help-why-rule = Yritys tai henkilö on päättänyt olla ottamatta vastaan viestejä tietystä osoitteesta tai verkkotunnuksesta.
help-why-history = Palvelimen tai palveluntarjoajan kautta, jota käytät, lähetetään myös paljon ei-toivottua postia.
help-why-quantity = Sama viesti lähetettiin usealle vastaanottajalle suurena määränä.
help-why-proof = Mikään ei todista, että viesti tulee siinä mainitusta osoitteesta: SPF (luettelo palvelimista, jotka saavat lähettää verkkotunnuksen nimissä) ja DKIM (allekirjoitus) puuttuvat tai ovat väärin.
help-through = Näin saat viestin perille
help-through-link = Avaa linkki, joka on meiltä saamassasi kirjeessä tai oman sähköpostipalvelimesi virheilmoituksessa. Kerro, millainen viesti on, ja vahvista. Viesti toimitetaan muutamassa minuutissa täsmälleen sellaisena kuin lähetit sen.
help-through-proof = Pyydä sähköpostisi ylläpitäjää ottamaan käyttöön SPF, DKIM ja DMARC. Silloin seuraavat viestisi tunnistetaan sinun viesteiksesi.
help-through-contact = Jos sivulla kerrotaan, ettet voi itse vapauttaa viestiä, käytä siinä mainittuja yhteystietoja.
help-release = Mitä vapauttamisesta seuraa
help-release-text = Kun vapautat viestin ja osoitteesi on todennettu, olet luotettu lähettäjä kaikille, joita palvelu suojaa, ja seuraavat viestisi menevät perille ilman tätä vaihetta. Jos vastaanottajat ilmoittavat, etteivät halua viestejäsi, tämä päättyy.
help-nothing = Jos ilmoitusta ei tullut
help-nothing-text = Kirjoitamme vain todennettuihin osoitteisiin, jottei kukaan saa turhaa postia toisen käytettyä hänen nimeään. Muutoin syy ja linkki ovat vastauksessa, jonka oma sähköpostipalvelimesi sai.
help-nothing-address = Oliko vastaanottajan osoite oikein? Väärin kirjoitettu osoite ei johdu meistä; oma palvelimesi kertoo siitä.
help-nothing-bounce = Etsi oman sähköpostipalvelimesi virheilmoitus, myös roskapostikansiosta. Linkki on siinä.
help-nothing-again = Lähetä viesti uudelleen ja katso, mitä tulee takaisin. Jos viesti on jo meillä, se tunnistetaan, eikä kukaan saa sitä kahteen kertaan.
help-mass = Jos kirjoitat monelle
help-mass-text = Joukkopostittaja ei voi itse vapauttaa viestejään. Jos vastaanottajat odottavat postitusta ja tarvitsevat sitä, kerro yhteyshenkilölle, kuka olet, mitä lähetät, miten vastaanottajat ovat suostuneet ja kuinka monta heitä on. Harkitse tarjouksille ja kyselyille muuta kanavaa: täällä postilaatikko on varattu tärkeille viesteille.
help-contact = Yhteystiedot
help-contact-text = Kirjoita vastaanottajan verkkotunnuksen postmaster-osoitteeseen. Sinne lähetettyä postia ei koskaan pysäytetä ei-toivotun näköisenä. Jos palvelulla on puhelinnumero, se ja päivystysajat ovat linkkisi sivulla.

about = Mikä tämä sivu on?
about-who = Palvelu suojaa ylhäällä mainitun organisaation postilaatikoita, ja tämä sivu kuuluu siihen.
about-why = Sinulta tullut viesti näytti ei-toivotulta, ja sitä säilytetään täällä toimittamattomana, kunnes sinä tai vastaanottaja päätätte asiasta; tällä sivulla näet viestin tiedot ja voit vapauttaa sen.
about-asks = Emme koskaan pyydä salasanaa, maksua, latausta emmekä henkilötietojasi; kysymme, millainen viesti on, ja sinä painat kahta painiketta.
about-check = Varmista sivun aitous vertaamalla selaimen osoiterivillä olevaa palvelimen nimeä siihen, jonka organisaatio ilmoittaa omalla verkkosivullaan tai DNS-tiedoissaan.
about-doubt = Jos epäilet jotakin, älä käytä linkkiä: soita organisaation numeroon, jonka tiedät jo ennestään, ja kerro viite.
