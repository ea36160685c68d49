/** Words that say what a value is, not whose it is: they stay in the invented value, so that it keeps its form. */

const words = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/u));

/** Letters only, lower case: "S.A.R.L." is "sarl". */
const bare = (word: string): string => word.toLowerCase().replace(/[^\p{L}]/gu, "");

const titles = words(`
  mr mrs ms miss mx dr prof sir madam mdm rev hon capt
  herr frau fr hr mme mlle monsieur madame sig sra srta dna dott ing dipl
  encik puan cik tuan datuk dato datin haji hajah hj`);

/** "Mr", "Dr.", "Frau". A single letter is never one. */
export const isTitle = (word: string): boolean => titles.has(bare(word));

const nameParticles = words(
  "bin binti bt ibni al ap van von der den de la le du da dos das del della di el y zu zur af av ter ten",
);

/** "van", "bin", "a/l": parts of a name that many people share. */
export const isNameParticle = (word: string): boolean => nameParticles.has(bare(word));

const legalForms = words(`
  sdn bhd berhad plt gmbh mbh ag kg kgaa ohg ug gbr ev eg se ltd limited llc llp lp inc incorporated corp corporation
  plc pte pty pvt sa sarl sas sasu eurl snc sci sl slu spa srl sas sapa bv nv vof cv oy oyj ab as asa aps is hf kft zrt
  doo dd sp zoo sro spzoo kk ltda eireli co company cie`);

/** "GmbH", "Sdn.", "S.p.A.". */
export const isLegalForm = (word: string): boolean => legalForms.has(bare(word));

/** Where a text consists of its legal form alone, another one stands in for it. */
export const legalFormsByLength = [
  "AG",
  "KG",
  "BV",
  "LTD",
  "LLC",
  "PLC",
  "GmbH",
  "SARL",
  "PTE LTD",
  "PTY LTD",
  "LIMITED",
  "COMPANY LTD",
] as const;

const connectors = words(
  "and und et e y i n of the by for at in on dan dari bei zum zur im am an der die das le la les de du des del di da do los las el al",
);

/** "and", "of", "der". */
export const isConnector = (word: string): boolean => connectors.has(bare(word));

/** Whether the words of a company's or an address's text say nothing about whose it is. */
export const saysNothing = (text: string): boolean =>
  text
    .split(/[\s.,()]+/u)
    .every((word) => word === "" || isLegalForm(word) || isConnector(word) || isAddressWord(word));

const trades = words(`
  trading trader traders enterprise enterprises restaurant restoran bistro cafe kafe kopitiam bakery kitchen grill food
  foods catering market mart minimarket supermarket hypermarket store stores shop kedai outlet boutique fashion textile
  hardware electrical electronics lighting gallery motor motors auto tyre petrol station service services services
  pharmacy farmasi clinic klinik dental medical healthcare hotel resort travel tours book books bookstore stationery
  printing print press media studio photo digital computer computers software systems solutions technology technologies
  telecom mobile logistics transport express courier cargo shipping engineering construction builders contractor supplies
  supply marketing distributors distribution wholesale retail industries industrial manufacturing furniture interior
  garden florist gifts toys sports fitness beauty salon spa jewellery optical holdings group international global
  consulting consultants insurance finance bank property properties realty management academy school centre center
  perniagaan syarikat pasaraya perusahaan
  handel handels bau technik werkstatt apotheke baeckerei metzgerei praxis versicherung verlag druckerei`);

/** What a company does: "trading", "restaurant", "Bau". */
export const isTrade = (word: string): boolean => trades.has(bare(word));

/** Trades that may stand in for one another, all with letters every font has. */
export const tradeNames = [
  "Spa",
  "Mart",
  "Auto",
  "Shop",
  "Food",
  "Bank",
  "Cafe",
  "Hotel",
  "Store",
  "Print",
  "Media",
  "Group",
  "Motors",
  "Studio",
  "Market",
  "Salon",
  "Retail",
  "Travel",
  "Bistro",
  "Bakery",
  "Supply",
  "Trading",
  "Textile",
  "Florist",
  "Medical",
  "Digital",
  "Kitchen",
  "Academy",
  "Fashion",
  "Express",
  "Hardware",
  "Boutique",
  "Services",
  "Catering",
  "Builders",
  "Interior",
  "Pharmacy",
  "Printing",
  "Furniture",
  "Logistics",
  "Transport",
  "Marketing",
  "Solutions",
  "Bookstore",
  "Enterprise",
  "Restaurant",
  "Stationery",
  "Electrical",
  "Industries",
  "Technology",
  "Supermarket",
  "Electronics",
  "Engineering",
  "Construction",
  "Distribution",
  "Manufacturing",
] as const;

const addressWords = words(`
  no nos number nr lot plot block blk level lvl floor flr unit suite ste room rm apt apartment flat house building bldg
  tower wing phase section sek seksyen site off near opp opposite behind next po box gpo attn
  jalan jln taman tmn bandar bdr kampung kampong kg lorong lrg persiaran pekan lebuh lebuhraya lintang medan bukit desa
  street st road rd avenue ave av lane ln drive dr boulevard blvd bvd square sq place pl court ct crescent cres close
  terrace way highway hwy parkway pkwy park plaza circle cir alley quay mall centre center
  strasse straße str weg platz gasse allee ring ufer damm postfach
  rue route chemin impasse quai cours bis cedex bp via viale piazza corso largo vicolo calle avenida avda paseo plaza
  carrer rua praca travessa straat laan plein gracht kade
  north south east west upper lower ground first second third st nd rd th g`);

/** "Jalan", "Street", "No.", "Floor": the frame of an address. */
export const isAddressWord = (word: string): boolean => addressWords.has(bare(word));

/** Endings that German and Dutch street names are written together with. */
export const streetEnding =
  /(?:straße|strasse|straat|gasse|platz|allee|laan|plein|gracht|kade|damm|ufer|weg|ring|str)$/iu;
