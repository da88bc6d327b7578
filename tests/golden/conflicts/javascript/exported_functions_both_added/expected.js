export function first() {
  return 1;
}

/** Upstream's. */
export function second() {
  return 2;
}

export async function third() {
  return 3;
}
