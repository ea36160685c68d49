/** Print for a page with something to anonymize, and a key. */
export const sampleKey = "a key for tests, sixteen or more";
export const sampleLines = [
  "Invoice 2024-118",
  "Name: Ellen Marlow",
  "E-mail: ellen.marlow@example.org",
  "Phone: +44 20 7946 0958",
  "Total 128.40",
  "Thank you for your order",
];
