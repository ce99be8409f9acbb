// Style sheets are imported as minified text; gen/main.go does it.

declare module "*.css" {
  const css: string;
  export default css;
}
