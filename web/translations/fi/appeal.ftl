### Pyyntö: lomake ja sen vaihe.

appeal-open = Pyydä sen toimittamista
appeal-ask = Pyydä ylläpitäjältä
appeal-ask-text = Ihminen lukee tämän ja päättää, yleensä kolmen päivän kuluessa. Kirjoita lyhyesti ja täsmällisesti.
appeal-who = Kuka olet?
appeal-what = Mitä lähetät?
appeal-why = Miksi vastaanottajien pitäisi saada tämä, ja miksi sillä on kiire?
appeal-agreed = Miten he ovat suostuneet siihen?
appeal-how-many = Kuinka monelle vastaanottajalle se lähtee?
appeal-send = Lähetä pyyntö
appeal-incomplete = Vastaa jokaiseen kysymykseen; viimeinen vastaus on luku.
appeal-received = Pyyntösi on saapunut
appeal-received-text = Ihminen päättää siitä. Tältä sivulta näet aina, missä se on.
appeal-question = Meillä on kysymys
appeal-question-text = Vastaa alla, jotta pyynnöstäsi voidaan päättää.
appeal-granted = Pyyntösi on hyväksytty
appeal-granted-text = Odottavat viestit toimitetaan, paitsi niille, jotka eivät ota vastaan viestejäsi.
appeal-until = Tällaiset viestit toimitetaan { $day } asti, enintään { $n } viestiä.
appeal-denied = Pyyntösi on hylätty
appeal-denied-text = Tällaisia viestejä ei toimiteta. Syy:
appeal-talk = Mitä on sanottu
appeal-you = Sinä:
appeal-we = Me:
appeal-add = Vastauksesi tai lisättävää
appeal-say = Lähetä
