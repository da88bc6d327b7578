export enum Color {
  Red,
  Yellow,
  Blue,
}
