export abstract class Shape {
  abstract area(): number;
}
