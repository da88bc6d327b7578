export function bake(oven: Oven): Bread {
  return oven.heat(
    flour, water, 200, salt);
}
