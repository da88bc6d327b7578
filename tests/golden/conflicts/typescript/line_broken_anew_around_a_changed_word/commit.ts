export function bake(oven: Oven): Bread {
  return oven.heat(flour, water, 220, salt);
}
