declare module "text:*" {
  const text: string;
  export default text;
}
declare module "listings:" {
  /** The lines of each bug, by its name: a sign, the number in base 36, a space, the text. See `listings.mjs`. */
  const listings: Readonly<Record<string, string>>;
  export default listings;
}
