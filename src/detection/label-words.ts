/**
 * Words that tell what stands beside or below them, in English, German, French, Spanish, Italian, Dutch and Malay.
 * Written without accents and marks; spaces, points and hyphens are not compared ("e mail" = "E-Mail", "h p" = "H/P").
 */
import type { EntityType } from "./entity.ts";

/**
 * What the value is; labels before IBANs are `account`. `party`: a person or company with its address. `other`: nobody's;
 * such a label ends the value of one before it and is no name itself.
 */
export type LabelKind = Exclude<EntityType, "iban"> | "account" | "party" | "other";

/** Follow a label or a noun: "GST No.", "Kunden-Nr". */
export const numberWords = `
  no, nr, nbr, num, number, nummer, numero, n, id, code, nombor, kode, codigo, codice, numéro
`;

/** With a number word after them these are labels of a number that belongs to a person. */
export const personalNumberNouns = `
  customer, client, member, membership, patient, employee, staff, student, account holder, policy, contract, case,
  claim, file, insurance, social security, national insurance, national, identity, identity card, id card, ic, i
  c, nric, new ic, passport, licence, license, driver license, drivers license, driver licence, drivers licence,
  driving licence, driving license, document, personal, personnel, loyalty, loyalty card, medical record, kunden,
  mitglieds, mitglied, patienten, matrikel, versicherten, versicherungs, sozialversicherungs, ausweis,
  personalausweis, reisepass, pass, fuhrerschein, vertrags, akten, vorgangs, adherent, assure, contrat, dossier,
  securite sociale, carte d identite, piece d identite, identite, passeport, permis de conduire, matricule, salarie, etudiant, sociétaire,
  cliente, socio, paciente, empleado, contrato, expediente, seguridad social, documento, pasaporte, permiso de
  conducir, carnet, poliza, asegurado, afiliado, tessera, paziente, dipendente, contratto, pratica, assistito,
  polizza, passaporto, carta d identita, patente, matricola, assicurato, klant, lid, lidmaatschaps, personeels,
  polis, paspoort, rijbewijs, verzekerden, burgerservice, legitimatie, ahli, pelanggan, kad pengenalan, pasport,
  pekerja, akaun
`;

/** Names of people too: labels only before a colon. */
export const nameLikeLabels = `
  swift, price, iva, page, day, bill, store, cash, bank, note, mark, land, bar, art, class, all, may, cover, shift, register, till, host
`;

/** Too common or too short to be labels by themselves: they need a colon, or to stand alone. */
export const weakLabels = `
  to, from, an, von, de, a, van, aan, para, le, le, via, bill, cc, all, no, si, re, at, id, ic, ort, ruf, mail, web, call, office,
  direct, cell, land, bar, note, check, form, copy, day, unit, item, items, class, type, code, net, reg, location, street, city,
  town, via, calle, rue, voie, ville, commune, comune, bandar, sede, plaats, werk, kontakt, contact, contatto, contacto, sales,
  operator, staff, driver, child, partner, director, directeur, owner, holder, houder, member, guest, client, patient, school,
  hospital, firma, company, empresa, azienda, bedrijf, nie, cin, pan, pas, card, carta, tarjeta, account, compte, conto,
  cuenta, konto, ora, hour, time, tax, tip, change, model, size, brand, project, title, position, status, page, table, order,
  reference, payment, signed, author, doctor, nurse, manager, shop, store, room, points, product, service, language, name,
  names, nom, nome, naam, nama, nombre, customer, kunde, klant, cliente, location, sex, state, country, county, bank, data,
  issued, expires, born, appointment, employment, declaration, enclosures, comments, notes, remarks, details, description, section,
  department, division, area, region, site, branch, counter, station, outlet, user, session, shift, token, article, artikel,
  purpose, reason, version, sheet, copy, document, occupation, profession, signature, amount, balance,
  place, vehicle, plate, plaque, placa, plat, targa, kenderaan, rego, lahir, d n
`;

/** A word that stands under several kinds counts as the first. */
export const labelWords: Readonly<Record<LabelKind, string>> = {
  person: `
    name, names, full name, first name, first names, given name, given names, middle name, last name, family
    name, surname, surnames, maiden name, forename, forenames, customer name, client name, patient name, name of
    patient, employee, employee name, student name, staff name, contact name, guest name, member name, cardholder,
    cardholder name, card holder, account holder, account name, beneficiary, insured, policy holder,
    policyholder, applicant, name of applicant, passenger, passenger name, tenant, landlord, holder, owner,
    cashier, cashier name, served by, your host, host, hostess, server, your server, attended by, waiter, waitress, operator, staff,
    clerk, salesperson, sales person, salesman, sales rep, sales representative, sales, sold by, handled by,
    attn, attention, att, atencion, atenzione, attenzione, contact, contact person, client contact, originator, liaison, research liaison, investigator, investigators, analyst, your contact, prepared by, approved by, issued by, received
    by, checked by, authorised by, authorized by, submitted by, requested by, reviewed by, signed by, signed,
    written by, author, completed by, delivered by, collected by, ordered by, reported by, supervisor, managing director, general manager, chairman, president, director, ceo, manager, doctor, physician, dentist, nurse, driver, father, mother, spouse,
    husband, wife, child, emergency contact, next of kin, witness, cc, vorname, vornamen, nachname,
    familienname, geburtsname, name vorname, vor und nachname, kassierer, kassiererin, kasse bediener, bediener,
    bedient von, es bediente sie, sie wurden bedient von, verkaufer, verkauferin, mitarbeiter, sachbearbeiter,
    sachbearbeiterin, bearbeiter, ihr ansprechpartner, ansprechpartner, ansprechpartnerin, kontoinhaber,
    karteninhaber, inhaber, inhaberin, geschaftsfuhrer, geschaftsfuhrerin, geschaftsfuhrung, versicherter,
    antragsteller, antragstellerin, zu handen, z hd, zhd, unterzeichner, arzt, vorstand, bearbeitet von,
    kontaktperson, ehepartner, nom, noms, prenom, prenoms, nom de famille, nom et prenom, nom prenom, nom d
    usage, nom de naissance, caissier, caissiere, vendeur, vendeuse, serveur, serveuse, servi par, votre
    vendeur, votre serveur, votre interlocuteur, votre contact, interlocuteur, titulaire, titulaire du compte, hotesse, hote de caisse, proprietaire, representant legal,
    gerant, gerante, directeur, directrice, directeur general, directrice generale, dirigeant, assure, demandeur, a l attention de, attention de, etabli par, suivi par, suivie par, dossier suivi par, signataire, conseiller, medecin, operateur, conjoint, nombre, nombres, apellido, apellidos, nombre y
    apellidos, nombre completo, primer apellido, segundo apellido, cajero, cajera, le atendio, atendido por,
    atendio, vendedor, vendedora, dependiente, camarero, camarera, su contacto, persona de contacto, contacto,
    titular, titular de la cuenta, propietario, propietaria, representante legal, gerente, director general, administrador, asegurado, solicitante, a la atencion de, preparado
    por, firmado por, conyuge, medico, operador, nome, nomi, cognome, cognome e nome, nome e cognome, cassiere,
    cassiera, operatore, operatrice, servito da, venditore, commesso, commessa, cameriere, referente, il suo
    referente, vostro referente, contatto, persona di contatto, intestatario, intestatario del conto, legale rappresentante, rappresentante legale, proprietario, titolare,
    amministratore, direttore, direttore generale, assicurato, richiedente, all attenzione di, alla c a, redatto da, firmato da,
    coniuge, naam, namen, voornaam, voornamen, achternaam, familienaam, voorletters, kassamedewerker, kassier,
    medewerker, bediend door, u bent geholpen door, geholpen door, verkoper, ober, uw contactpersoon,
    contactpersoon, rekeninghouder, eigenaar, eigenaresse, zaakvoerder, begunstigde, houder, directie, bestuurder, verzekerde, aanvrager, ter
    attentie van, t a v, tav, opgesteld door, partner, huisarts, behandelaar, nama, nama penuh, nama pelanggan,
    juruwang, jurujual, dilayan oleh, disediakan oleh, diterima oleh, pengurus, untuk perhatian, member name,
    cardmember, cashier id, cashier no, till operator, your cashier, your sales assistant, sales assistant, assisted by, you were served by,
    served, staff id, stylist, therapist, pharmacist, rider, delivered to name, mitgliedsname, es bedient sie, ihr verkaufer,
    ihre verkauferin, ihr berater, ihre beraterin, berater, kellner, kellnerin, nom du client, nom client, nom de l adherent,
    vous avez ete servi par, vous avez ete accueilli par, conseiller de vente, votre conseiller, equipier, nombre del cliente,
    nombre cliente, nombre del socio, le ha atendido, le atiende, atendido por cajero, su vendedor, nome cliente,
    nome del cliente, nome socio, addetto, addetta, addetto alla cassa, servito dal, il vostro operatore, naam klant, klantnaam,
    naam lid, u werd geholpen door, uw verkoper, uw kassier, kassa medewerker, bediening, nama ahli, nama juruwang,
    dilayani oleh, kakitangan, pekerja, signature, name and signature, signature and name, name signature, authorised
    signature, authorized signature, signature of applicant, applicant signature, customer signature, signatory, unterschrift,
    name und unterschrift, name unterschrift, unterschrift des antragstellers, nom et signature, signature du client, nom
    signature, firmado, nombre y firma, firma del titular, firma del cliente, firma del solicitante, nome e firma, firma del
    richiedente, handtekening, naam en handtekening, naam handtekening, tandatangan, nama dan tandatangan
  `,
  company: `
    company, company name, employer, name of employer, organisation, organization, business name, firm,
    supplier, vendor, merchant, merchant name, school, licensee, insurer, institution, hospital, landlord
    company, trading as, shop name, firma, firmenname, arbeitgeber, unternehmen, lieferant, verein, handler,
    societe, entreprise, employeur, raison sociale, fournisseur, etablissement, organisme, empresa, empleador,
    razon social, proveedor, compania, organizacion, comercio, azienda, ditta, datore di lavoro, ragione
    sociale, fornitore, societa, esercente, impresa, bedrijf, bedrijfsnaam, werkgever, leverancier, organisatie,
    onderneming, syarikat, nama syarikat, majikan, pembekal, m s, messrs
  `,
  address: `
    address, addr, home address, postal address, mailing address, street address, business address, permanent
    address, correspondence address, registered office, residence, place of residence, domicile, location,
    street, street and number, street name, house number, city, town, city state zip, postcode, post code,
    postcode and town, postal code, zip, zip code, city zip, place of birth, birthplace, birth place, born in,
    adresse, anschrift, wohnanschrift, postanschrift, wohnort, strasse, strabe, straße, strasse hausnummer,
    straße hausnummer, strasse und hausnummer, straße und hausnummer, strasse nr, straße nr, plz ort, plz, plz
    und ort, ort, wohnsitz, geburtsort, standort, adresse postale, rue, rue et numero, numero et rue, n et rue,
    voie, code postal, code postal et ville, code postal ville, cp ville, ville, commune, lieu de naissance,
    siege social, ne a, nee a, direccion, domicilio, calle, calle y numero, via y numero, codigo postal, codigo
    postal y ciudad, codigo postal y poblacion, c p y poblacion, cp y poblacion, poblacion, localidad, ciudad,
    municipio, lugar de nacimiento, domicilio social, indirizzo, residenza, via, via e numero, via e numero
    civico, via n civico, cap, cap e citta, cap e localita, cap citta, cap comune, citta, comune, localita,
    place, luogo di nascita, sede, sede legale, nato a, nata a, comune di residenza, adres, woonadres, postadres,
    straat, straat en huisnummer, straat huisnummer, postcode en plaats, postcode plaats, postcode en
    woonplaats, postcode woonplaats, woonplaats, plaats, geboorteplaats, vestigingsadres, alamat, alamat surat
    menyurat, poskod, bandar, tempat lahir
  `,
  phone: `
    tel, tele, telephone, phone, phone no, ph, telno, telnr, tel fax, mobile, mobile phone, mob, cell, cell
    phone, cellphone, fax, facsimile, telefax, hotline, guest relations, guest relations center, guest relations centre, helpline, careline, whatsapp, contact no, contact
    number, contact tel, call, call us, h p, hand phone, handphone, office, direct line, direct, home phone,
    work phone, daytime phone, customer service, customer careline, customer service hotline, customer care,
    outlet, infoline, our fax number is, telefon, telefonnummer, fon, handy, mobil, mobilnummer, mobiltelefon,
    rufnummer, durchwahl, ruf, festnetz, faxnummer, numero de telephone, portable, telecopie, gsm, tph,
    telefono, tfno, tlf, tlfno, tfn, tno, movil, telefono movil, celular, numero de telefono, cellulare,
    recapito telefonico, numero di telefono, numero verde, telefoon, telefoonnummer, tel nr, mobiel, mobiel
    nummer, gsm nummer, telefon bimbit, no tel, no telefon, no hp, faks, talian
  `,
  email: `
    email, e mail, mail, email address, e mail address, mailadresse, e mail adresse, courriel, adresse e mail,
    adresse mail, mel, correo, correo electronico, posta elettronica, indirizzo email, pec, mailadres, emel
  `,
  url: `
    web, website, web site, homepage, internet, www, url, site web, site internet, pagina web, sito, sito web,
    facebook, instagram, laman web
  `,
  birth_date: `
    date of birth, dob, d o b, birth date, birthdate, born, born on, birthday, geburtsdatum, geboren, geboren am,
    geb, date de naissance, ne le, nee le, ne e le, fecha de nacimiento, nacido el, data di nascita, nato il, nata
    il, geboortedatum, geboren op, tarikh lahir, date de naiss, nee e le, nacida el, f nacimiento, f nac, fecha nac,
    fecha nacimiento, geb datum, geb dat, geburtstag, geburtsdatum und ort, data nascita, d n, dt nascita, geb
    datum, gebdatum, dilahirkan pada, lahir pada, lahir, date and place of birth, place and date of birth,
    geburtsdatum und geburtsort, date et lieu de naissance, fecha y lugar de nacimiento, luogo e data di nascita,
    data e luogo di nascita, geboortedatum en plaats, year of birth
  `,
  date: `
    date, dt, date of issue, issue date, issued, issued on, date of expiry, expiry date, expiry, expires, expires
    on, valid until, valid to, valid from, valid thru, card expiry, invoice date, due date, payment due, pay by,
    bill date, order date, delivery date, date received, date of visit, member since, appointment, print date,
    transaction date, bill start, closed bill, your letter of, date of accident, start date, end date, date of
    death, datum, ausstellungsdatum, ausgestellt am, gultig bis, ablaufdatum, rechnungsdatum, bestelldatum,
    lieferdatum, leistungsdatum, falligkeit, fallig am, falligkeitsdatum, mitglied seit, unfalldatum, belegdatum,
    zahlbar bis, date d emission, date de delivrance, date d expiration, expire le, valable jusqu au, date de
    facture, date de la facture, date facture, echeance, date d echeance, membre depuis, emis le, emise le, delivre
    le, le, fecha, fecha de emision, fecha de expedicion, fecha de caducidad, caducidad, valido hasta, fecha de
    factura, fecha factura, vencimiento, fecha de vencimiento, emitida, socio desde, data, data di emissione, data
    di rilascio, data di scadenza, scadenza, valido fino al, data fattura, data della fattura, emessa il, socio dal,
    datum van afgifte, afgiftedatum, geldig tot, verloopdatum, factuurdatum, vervaldatum, vervaldag, lid sinds,
    leverdatum, tarikh, tarikh luput
  `,
  licence_plate: `
    vehicle, vehicle no, vehicle number, veh no, vehicle plate, vehicle reg, vehicle reg no, vehicle registration,
    vehicle registration no, vehicle registration number, vehicle registration mark, vrm, vrn, car no, car number,
    car plate, car plate no, plate, plate no, plate number, number plate, license plate, licence plate, license
    plate no, licence plate no, rego, registration mark, kennzeichen, kfz kennzeichen, kfz kz, amtliches
    kennzeichen, autokennzeichen, pol kennzeichen, polizeiliches kennzeichen, immatriculation, n immatriculation, no
    immatriculation, numero d immatriculation, immat, plaque, plaque d immatriculation, matricula, matricula del
    vehiculo, matricula vehiculo, placa, placa n, targa, targa veicolo, n targa, numero di targa, kenteken,
    kentekennummer, kentekenplaat, nummerplaat, no plat, no plate, nombor plat, plat, no kenderaan, nombor
    kenderaan, no pendaftaran kenderaan, kenderaan
  `,
  tax_id: `
    gst, gst no, gst id, gst id no, gst reg, gst reg no, gst registration no, gst number, id gst, no id gst,
    gstin, sst, sst no, sst id, sst reg no, service tax no, sales tax no, vat, vat no, vat id, vat reg, vat reg
    no, vat registration no, vat number, vat registration number, tax id, tax no, tax number, tax reg no, tax
    identification number, tax payer id, taxpayer id, tin, tin no, ein, abn, acn, utr, co reg, co reg no,
    company reg no, company registration no, company registration, company no, company number, co no, comp no,
    co regn no, business reg no, business registration no, br no, brn, reg no, regn no, reg, registration no,
    registration number, registered no, registered number, registered in england no, roc, roc no, rob, rob no,
    ssm, ssm no, uen, crn, duns, ust id, ust id nr, ust idnr, ustid, ustidnr, ust nr, umsatzsteuer id,
    umsatzsteuer identifikationsnummer, mwst nr, uid, uid nr, steuernummer, steuer nr, st nr, steuer id,
    steueridentifikationsnummer, handelsregister, hrb, hra, amtsgericht, registergericht, n tva, no tva, tva,
    tva intra, tva intracom, tva intracommunautaire, n tva intracommunautaire, numero de tva, n de tva, siret, n
    siret, siren, n siren, rcs, ape, code ape, naf, numero fiscal, n fiscal, nif, cif, n i f, c i f, nif cif,
    cif nif, nif iva, n iva, numero de identificacion fiscal, registro mercantil, p iva, piva, partita iva, part
    iva, cod fisc, codice fiscale, c f, cod fiscale, rea, registro imprese, n rea, btw, btw nr, btw nummer, btw
    id, itin, itin no, fein, employer id no, employer identification number, federal tax id, permanent account number,
    pan no, pan number, gstin no, gstin number, steuerliche identifikationsnummer,
    steuer identifikationsnummer, nip, nip no, btw identificatienummer, kvk, kvk nr, kvk nummer, k v k, fiscaal nummer, rsin, ondernemingsnummer, no
    pendaftaran, no syarikat, no cukai
  `,
  id_number: `
    id, id no, id number, aadhaar, aadhaar no, aadhaar number, aadhar, aadhar no, uidai, uidai no, ni no, ni number,
    nric fin, nric no, fin no, fin number, my kad, mykad no, ssn, s s n, ic no, ic, nric, passport, nino, nhs no, nhs number, mrn, dni, nie, bsn,
    cpf, cnp, egn, pesel, mykad, kad pengenalan, no kp, no k p, cin, cni, nir, svnr, sv nummer, rvnr, our ref,
    our reference, your ref, your reference, ref no, file no, file number, case no, claim no, employee no,
    licence no, license no, driver s license, driver s licence, personalnummer, kundennummer, kunden nr, kd nr,
    kdnr, mitgliedsnummer, mitglieds nr, ausweisnummer, ausweis nr, versichertennummer, versicherungsnummer,
    sozialversicherungsnummer, aktenzeichen, unser zeichen, ihr zeichen, geschaftszeichen, unsere referenz,
    vertragsnummer, patientennummer, matrikelnummer, dokumentennummer, dokument nr, zeichen, personal nr,
    fuhrerscheinnummer, passnummer, n client, no client, numero client, code client, ref client, n adherent,
    notre ref, notre reference, nos ref, n ref, vos ref, vos references, nos references, votre reference, n de
    document, numero de document, n de securite sociale, n securite sociale, n assure, dossier n, n dossier, n
    de dossier, n de contrat, n de permis, n de matricule, matricule, numero d assure, n cliente, num cliente, codigo
    cliente, codigo de cliente, n de cliente, numero de cliente, n socio, numero de socio, n documento, num
    documento, nuestra ref, nuestra referencia, su ref, n expediente, numero de afiliacion, n afiliacion, n de
    seguro, numero de seguro, n tarjeta sanitaria, numero de documento, numero de empleado, n empleado, numero
    de asegurado, n asegurado, n de asegurado, cod cliente, codice cliente, numero cliente, ns rif, nostro rif,
    nostro riferimento, vs rif, vostro riferimento, rif, n tessera, numero tessera, numero documento, n pratica,
    numero di pratica, n assistito, numero assistito, n dipendente, matricola, n matricola, klantnummer,
    klantnr, klant nr, relatienummer, lidnummer, lid nr, ons kenmerk, uw kenmerk, kenmerk, documentnummer,
    document nr, polisnummer, patientnummer, personeelsnummer, personeelsnr, dossiernummer, burgerservicenummer,
    rijbewijsnummer, paspoortnummer, verzekerdennummer, verzekeringsnummer, debiteurnummer, debiteurnr, no ahli,
    no pelanggan, no akaun pelanggan, no pasport, no pekerja
  `,
  account: `
    account, account no, account number, acct, acct no, acc no, a c no, a c, bank account, bank acc, bank
    account no, bank a c, sort code, routing number, iban, iban no, iban nr, konto, kontonummer, konto nr, kto,
    kto nr, bankkonto, compte, n compte, n de compte, numero de compte, rib, cuenta, n cuenta, n de cuenta,
    numero de cuenta, ccc, conto, n conto, c c, conto corrente, numero di conto, rekening, rekeningnummer,
    rekeningnr, bankrekening, no akaun, akaun bank
  `,
  card: `
    card no, card number, credit card, credit card no, debit card, visa, mastercard, master card, amex, american
    express, maestro, card, kartennummer, karten nr, kreditkarte, kreditkartennummer, numero de carte, n carte,
    n de carte, carte bancaire, carte de credit, cb, numero de tarjeta, n tarjeta, n de tarjeta, tarjeta,
    tarjeta de credito, numero carta, numero di carta, n carta, carta di credito, carta, kaartnummer, kaart nr,
    creditcard, creditcardnummer, pas, pasnummer, no kad, kad kredit, pan
  `,
  party: `
    bill to, billed to, bill, ship to, shipped to, sold to, deliver to, delivered to, delivery to, delivery
    address, shipping address, billing address, invoice to, invoice address, customer, client, patient, buyer,
    seller, consignee, shipper, sender, recipient, addressee, payee, payer, to, from, customer details, guest,
    member, remit to, return address, rechnung an, rechnungsempfanger, rechnungsadresse, rechnungsanschrift,
    lieferadresse, lieferanschrift, lieferung an, kunde, kundin, empfanger, absender, auftraggeber, mandant, an,
    von, kaufer, verkaufer, versand an, patientin, mitglied, versicherungsnehmer, zahlungsempfanger, facture a,
    facturer a, facturation, adresse de facturation, adresse de livraison, livrer a, livraison, livraison a,
    livre a, destinataire, expediteur, acheteur, adherent, facturee a, client facture, de, a, facturar a,
    facturado a, datos de facturacion, direccion de facturacion, direccion de envio, direccion de entrega,
    enviar a, entregar a, envio, entrega, cliente, destinatario, remitente, comprador, paciente, socio, datos
    del cliente, para, fatturare a, fatturato a, spett le, spettabile, spett, destinazione, consegnare a,
    consegna, spedire a, spedizione, indirizzo di consegna, indirizzo di fatturazione, indirizzo di spedizione,
    luogo di consegna, mittente, acquirente, paziente, factuur aan, factuuradres, facturatieadres, afleveradres,
    leveradres, bezorgadres, verzendadres, leveren aan, klant, ontvanger, afzender, geadresseerde, koper, aan,
    van, opdrachtgever, kepada, daripada, pelanggan, bil kepada, hantar kepada, penerima, pengirim
  `,
  other: `
    invoice, invoice no, invoice number, inv, inv no, receipt, receipt no, receipt number, bill no, bill number,
    cash bill, cash sale, cash sales, tax invoice, simplified tax invoice, order, order no, order number, po no,
    po number, your order, our order, purchase order, quotation, quotation no, delivery order, do no, doc no,
    document, slip no, ticket, ticket no, check, chk, trans, trans no, transaction, trn, trx, batch, batch no,
    trace no, approval code, appr code, auth code, pre auth code, terminal, terminal no, till, pos, pos no,
    register, counter, station, station id, table, table no, tbl, pax, cover, covers, shift, session, token,
    token no, queue no, user, user id, page, pages, number of pages, sheet, copy, form, version, re, subject,
    reference, ref, payment reference, payment, payment terms, terms, amount, amt, total, sub total, subtotal,
    grand total, nett total, total amount, balance, discount, disc, rounding, rounding adj, tax, service charge,
    tip, cash, change, tendered, cheque, cheque no, price, unit price, u price, s price, rsp, qty, quantity,
    uom, unit, item, items, item no, item code, description, details, product, particulars, remarks, remark,
    comments, notes, note, time, hour, day, site, branch, store, store no, shop, shop no, region, area,
    division, department, dept, section, position, title, job title, occupation, profession, nationality,
    citizenship, sex, gender, marital status, height, weight, blood group, eyes, authority, issuing authority,
    classes, class, category, type, status, country, state, county, place date, place and date, date signature, bank, bank name, bank details, bic, swift, swift code, currency, exchange rate,   for
    office use only, for official use only, personal details, personal data, contact details, employment,
    declaration, enclosures, encl, enclosure, regarding, project, job no, brand, model, serial no, colour, size,
    location code, net, gross, points, member points, reservation, reservation no, room, room no, litre, pump, code, gst summary, tax code, tax summary, purpose, reason, language, rechnung,
    rechnungsnummer, rechnungs nr, rechnung nr, re nr, beleg, belegnummer, beleg nr, bon, bon nr, bonnummer,
    quittung, kassenbon, bestellung, bestellnummer, bestell nr, auftrag, auftragsnummer, auftrags nr,
    lieferschein, angebot, angebotsnummer, seite, betreff, betrag, summe, gesamt, gesamtbetrag, endbetrag,
    zwischensumme, mwst, ust, netto, brutto, rabatt, skonto, bar, gegeben, ruckgeld, zuruck, menge, anzahl, stk,
    preis, einzelpreis, einheit, artikel, artikelnummer, art nr, bezeichnung, beschreibung, leistung, uhrzeit,
    zeit, tisch, kasse, filiale, kreditinstitut, bankverbindung, verwendungszweck, zahlungsziel, beruf,
    tatigkeit, staatsangehorigkeit, nationalitat, geschlecht, familienstand, grosse, große, augenfarbe, behorde,
    ausstellende behorde, klassen, abteilung, ort datum, datum unterschrift, angaben zur person,
    personliche angaben, kontakt, kontaktdaten, beschaftigung, erklarung, anlagen, anlage,   wird von
    der behorde ausgefullt, telefon bank, steuer, land, bemerkung, bemerkungen, hinweis, zahlungsart, zahlung,
    wahrung, facture, facture n, n facture, n de facture, numero de facture, recu, ticket n, n ticket, commande,
    n commande, n de commande, numero de commande, votre commande, bon de livraison, devis, objet, montant,
    montant ttc, montant ht, total ttc, total ht, sous total, remise, especes, rendu, monnaie, a payer, net a
    payer, quantite, qte, prix, prix unitaire, p u, unite, article, designation, libelle, prestation, heure,
    caisse, magasin, banque, domiciliation, reference de paiement, conditions de paiement, reglement, mode de
    reglement, metier, nationalite, sexe, situation de famille, situation familiale, etat civil, taille, couleur
    des yeux, autorite, categories, service, lieu et date, lieu date, fait a, informations personnelles,
    renseignements personnels, coordonnees, coordonnees bancaires, emploi, situation professionnelle, activite, pieces jointes, pj, 
     reserve a l administration, cadre reserve a l administration, pays, remarques, observations, factura,
    factura n, n factura, n de factura, numero de factura, factura simplificada, recibo, pedido, n pedido,
    numero de pedido, su pedido, albaran, presupuesto, pagina, asunto, importe, base imponible, iva, i v a,
    descuento, efectivo, cambio, entregado, cantidad, cant, precio, precio unitario, unidad, articulo, concepto,
    descripcion, producto, hora, mesa, caja, tienda, entidad, banco, referencia, referencia de pago, forma de
    pago, condiciones de pago, profesion, ocupacion, nacionalidad, sexo, estado civil, estatura, altura, color
    de ojos, autoridad, clases, departamento, lugar y fecha, lugar fecha, datos personales, datos de
    contacto, empleo, situacion laboral, declaracion, anexos, adjuntos,  a rellenar por la administracion,
    pais, observaciones, fecha y firma, fattura, fattura n, n fattura, numero fattura, ricevuta, scontrino,
    documento, doc n, documento commerciale, ordine, n ordine, numero ordine, vostro ordine, vs ordine, ddt,
    preventivo, oggetto, importo, totale, totale complessivo, imponibile, subtotale, sconto, contanti, contante,
    resto, quantita, qta, prezzo, prezzo unitario, unita, articolo, descrizione, prodotto, prestazione, ora,
    tavolo, cassa, negozio, banca, coordinate bancarie, causale, riferimento pagamento, modalita di pagamento,
    pagamento, termini di pagamento, professione, occupazione, cittadinanza, nazionalita, sesso, stato civile,
    statura, altezza, autorita, categorie, reparto, luogo e data, luogo data, dati personali, recapiti,
    contatti, lavoro, impiego, attivita lavorativa, dichiarazione, allegati, all, riservato all ufficio, riservato all
    amministrazione, paese, osservazioni, factuur, factuurnummer, factuurnr, factuur nr, bonnr, kassabon,
    bestelling, bestelnummer, ordernummer, uw bestelling, uw order, pakbon, offerte, betreft, onderwerp, bedrag,
    totaal, totaalbedrag, subtotaal, korting, contant, wisselgeld, terug, te betalen, aantal, prijs, stukprijs,
    eenheid, omschrijving, dienst, tijd, tafel, kassa, filiaal, winkel, betalingskenmerk, betaling,
    betalingstermijn, beroep, nationaliteit, geslacht, burgerlijke staat, lengte, autoriteit, categorieen,
    afdeling, plaats datum, plaats en datum, datum en handtekening, persoonlijke gegevens,
    contactgegevens, werk, verklaring, bijlagen, bijlage,  niet invullen, in te vullen door de instantie,
    opmerkingen, jumlah, resit, no resit, invois, no invois, masa, meja, kuantiti, harga, barang, jantina,
    warganegara, pekerjaan, cawangan
  `,
};
