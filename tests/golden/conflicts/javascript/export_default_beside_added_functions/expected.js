export default function main() {
  return 1;
}

export function up(a) {
  return a + 1;
}

export function half(rows) {
  return rows.slice(2);
}
