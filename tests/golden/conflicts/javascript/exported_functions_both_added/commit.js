export function first() {
  return 1;
}

export async function third() {
  return 3;
}
