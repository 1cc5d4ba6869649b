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
