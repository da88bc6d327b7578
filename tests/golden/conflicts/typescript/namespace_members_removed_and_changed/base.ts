namespace Price {
  export function net(gross: number) {
    return gross / 1.2;
  }
}
